-- This transaction may take longer than others: a tree is deleted whole, and one of a million jobs takes its time.
SELECT set_config('statement_timeout', '600000', true)
