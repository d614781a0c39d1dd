-- What waits for its turn is ordered at the next look of a matcher: programs of before give no turns.
UPDATE recordings r SET resend = true
WHERE r.state IN ('queued', 'processing', 'failed')
  AND (r.chunk_count IS NULL AND r.decode_ordered_at IS NULL
       OR EXISTS (SELECT 1 FROM chunks c WHERE c.recording_id = r.id AND c.released_at IS NULL));

DROP TABLE release_callers;
DROP TABLE release_clock;
DROP INDEX chunks_to_release;
ALTER TABLE chunks DROP COLUMN released_at;
ALTER TABLE resumable_uploads DROP COLUMN priority;
ALTER TABLE recordings DROP COLUMN decode_ordered_at, DROP COLUMN turn, DROP COLUMN priority;
