-- What this release has begun is matched anew by the one before it.
UPDATE recordings SET reference_set = NULL, next_chunk = 0 WHERE state IN ('queued', 'processing');
ALTER TABLE recordings ALTER COLUMN reference_set TYPE jsonb USING NULL;

DROP TABLE matches;
