DROP TABLE broker_epoch, gaps;

ALTER TABLE dead_letters DROP COLUMN run, DROP COLUMN chunk, DROP COLUMN attempts;

-- A result with gaps is none for a program that knows of no gaps.
UPDATE recordings SET state = 'failed', completed_at = NULL, failure = 'some of the recording could not be analysed'
WHERE state = 'completed_with_gaps';

DROP INDEX recordings_to_resend;

ALTER TABLE recordings
    DROP CONSTRAINT recordings_completed_check,
    DROP CONSTRAINT recordings_state_check,
    DROP COLUMN allow_gaps,
    DROP COLUMN resend,
    ADD CONSTRAINT recordings_state_check CHECK (state IN ('queued', 'processing', 'completed', 'failed')),
    ADD CONSTRAINT recordings_check1 CHECK ((state = 'completed') = (completed_at IS NOT NULL));
