-- How many bytes the log lines of these jobs take.
SELECT job_id, bytes FROM log_sizes WHERE job_id = ANY($1)
