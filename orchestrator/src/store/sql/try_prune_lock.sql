-- Until the commit, no other replica prunes.
SELECT pg_try_advisory_xact_lock(1919905898, 0)
