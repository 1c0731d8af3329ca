-- This replica lives, and has committed all that it had received by $4. Gives the database's time and whether anything
-- waits for a cancel or a withdrawal to settle.
WITH beat AS (
    INSERT INTO orchestrators (id, host, version, folded_through) VALUES ($1, $2, $3, clock_timestamp() - make_interval(secs => $4))
    ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp(),
        folded_through = greatest(orchestrators.folded_through, EXCLUDED.folded_through)
)
SELECT clock_timestamp(), EXISTS (SELECT FROM jobs WHERE status = 'cancelling')
    OR EXISTS (SELECT FROM jobs WHERE paused ->> 'reason' = 'settling')
