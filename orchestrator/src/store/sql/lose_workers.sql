-- Gives up the workers that sent nothing for one lease. Not by the clock: what a worker sent in the lease before folded_at is
-- committed, whichever replica had it, and would have made seen_at later than that.
UPDATE workers SET status = 'lost', running = '[]'
WHERE status = 'live'
    AND seen_at < (SELECT folded_at FROM intake WHERE queue = 'heartbeats') - make_interval(secs => $1)
RETURNING session
