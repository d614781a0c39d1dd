DROP TABLE session_key;
-- Nothing happens to them now that webhooks should be told.
ALTER TABLE recordings DISABLE TRIGGER recordings_change_is_told;
UPDATE recordings SET state = 'failed', failure = 'cancelled' WHERE state = 'cancelled';
ALTER TABLE recordings ENABLE TRIGGER recordings_change_is_told;
ALTER TABLE recordings
    DROP CONSTRAINT recordings_state_check,
    ADD CONSTRAINT recordings_state_check
        CHECK (state IN ('queued', 'processing', 'completed', 'completed_with_gaps', 'failed'));
