-- Every look reads all schedules there are, a handful: the index had no reader.
DROP INDEX schedules_next_idx;
COMMENT ON COLUMN schedules.runs IS 'Its runs, so far as they are kept: those that had not ended when it was looked at last come last.';
