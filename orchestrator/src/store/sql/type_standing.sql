-- Whether workers announced a job type of this name, and whether a workflow is registered under it.
SELECT EXISTS (SELECT FROM job_types WHERE name = $1), EXISTS (SELECT FROM current_definitions WHERE name = $1)
