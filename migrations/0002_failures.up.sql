-- What may be missing of a recording, what was tried of a dead letter, and which broker the jobs were given to.

ALTER TABLE recordings
    -- Whether the uploader takes a result that lacks the chunks that could not be analysed.
    ADD COLUMN allow_gaps boolean NOT NULL DEFAULT false,
    -- Set when the broker has lost its messages: every job that is not done is to be sent again.
    ADD COLUMN resend     boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT recordings_state_check,
    DROP CONSTRAINT recordings_check1,
    ADD CONSTRAINT recordings_state_check
        CHECK (state IN ('queued', 'processing', 'completed', 'completed_with_gaps', 'failed')),
    ADD CONSTRAINT recordings_completed_check
        CHECK ((state IN ('completed', 'completed_with_gaps')) = (completed_at IS NOT NULL));

CREATE INDEX recordings_to_resend ON recordings (id) WHERE resend;

-- Chunks that could not be analysed, of recordings that may have gaps. Matched as if nobody spoke in them.
CREATE TABLE gaps (
    recording_id    uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
    chunk           integer NOT NULL,
    -- In words for the uploader.
    reason          text NOT NULL,
    -- Set while a replay is under way that may close the gap: its job may be lost like any other.
    awaited         boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (recording_id, chunk)
);

CREATE INDEX gaps_awaited ON gaps (recording_id) WHERE awaited;

ALTER TABLE dead_letters
    -- Run and chunk that the message was about, where it could be read.
    ADD COLUMN run      integer,
    ADD COLUMN chunk    integer,
    -- service_kit::attempts::History: what was tried, by whom, when, and why it failed.
    ADD COLUMN attempts jsonb NOT NULL DEFAULT '[]';

-- The broker that the outbox was sent to, known by a queue of this name. A broker without it has lost everything.
CREATE TABLE broker_epoch (
    only_one        boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    epoch           uuid NOT NULL,
    began_at        timestamptz NOT NULL DEFAULT now()
);
