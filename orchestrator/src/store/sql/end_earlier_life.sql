-- The broker was part of the process that has ended: so were its workers and the orchestrator, and nothing that they sent is
-- on its way any more.
WITH workers AS (
    UPDATE workers SET status = 'lost', running = '[]' WHERE status = 'live'
), held AS (
    UPDATE workers SET status = 'lost' WHERE status = 'down'
        AND EXISTS (SELECT FROM jobs WHERE jobs.lease_session = workers.session)
), owed AS (
    UPDATE outbox SET claimed_until = clock_timestamp() WHERE claimed_until > clock_timestamp()
)
DELETE FROM orchestrators
