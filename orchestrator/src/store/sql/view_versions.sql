-- Runs are counted among the newest $2 of the workflow.
SELECT definitions.hash, title, source, created_at, definitions.hash = current_definitions.hash, COALESCE(counted.runs, 0)
FROM definitions
LEFT JOIN current_definitions USING (name)
LEFT JOIN (
    SELECT definition_hash, count(*) AS runs
    FROM (
        SELECT definition_hash FROM jobs WHERE parent_id IS NULL AND type = $1 ORDER BY id DESC LIMIT $2
    ) AS newest
    GROUP BY definition_hash
) AS counted ON counted.definition_hash = definitions.hash
WHERE definitions.name = $1
ORDER BY created_at DESC, definitions.hash
LIMIT $3
