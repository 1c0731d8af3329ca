-- Less work for each sub-job: the fold alone writes these rows, a job's before those that name it, and deletes whole trees.

ALTER TABLE jobs DROP CONSTRAINT jobs_parent_id_fkey;
ALTER TABLE batches DROP CONSTRAINT batches_job_id_fkey;
ALTER TABLE fan_outs DROP CONSTRAINT fan_outs_job_id_fkey;

-- Lines are only ever read of one tree.
ALTER TABLE history DROP CONSTRAINT history_pkey;
ALTER TABLE history ADD PRIMARY KEY (root_id, id);
DROP INDEX history_root_idx;

-- The outbox is short, and its sweeper goes through it in the order of ids.
DROP INDEX outbox_claim_idx;
