DROP TABLE session_key;
UPDATE recordings SET state = 'failed', failure = 'cancelled' WHERE state = 'cancelled';
ALTER TABLE recordings
    DROP CONSTRAINT recordings_state_check,
    ADD CONSTRAINT recordings_state_check
        CHECK (state IN ('queued', 'processing', 'completed', 'completed_with_gaps', 'failed'));
