-- Whether the newest of what the API reads is there.
SELECT to_regclass('job_views') IS NOT NULL
