UPDATE workers SET status = 'down', running = '[]', last_seq = x.seq, seen_at = clock_timestamp()
FROM unnest($1::uuid[], $2::bigint[]) AS x (session, seq)
WHERE workers.session = x.session
