-- Asked for under the lock, so that what the holder of the lock before wrote is seen. A run that has ended may be retried, and counts again then.
SELECT
    clock_timestamp(),
    (SELECT hash FROM current_definitions WHERE name = $1),
    ARRAY(SELECT id FROM jobs WHERE id = ANY ($2) ORDER BY status IN ('pending', 'running', 'cancelling'), id),
    EXISTS (SELECT FROM jobs WHERE id = ANY ($2) AND status IN ('pending', 'running', 'cancelling'))
