-- Recordings that somebody has called off, and what browsers' sessions are signed with.

ALTER TABLE recordings
    DROP CONSTRAINT recordings_state_check,
    ADD CONSTRAINT recordings_state_check
        CHECK (state IN ('queued', 'processing', 'completed', 'completed_with_gaps', 'failed', 'cancelled'));

-- The key that sessions are signed with, the same for every ingest process.
CREATE TABLE session_key (
    only_one        boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    key             bytea NOT NULL CHECK (octet_length(key) = 32)
);

INSERT INTO session_key (key)
SELECT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');
