SELECT params_schema FROM job_types WHERE name = $1
