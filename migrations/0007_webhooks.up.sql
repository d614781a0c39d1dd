-- Who is told what becomes of recordings, and what is still to be told.

CREATE TABLE webhooks (
    id              uuid PRIMARY KEY,
    url             text NOT NULL,
    -- Types of events that are sent there.
    events          text[] NOT NULL,
    -- Key of the signatures.
    secret          bytea NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- Set when its receiver has said that it is gone (410); nothing is sent there from then on.
    disabled_at     timestamptz
);

-- One row per event and webhook, written by the transaction in which it happened. Whoever sends leases a row by moving due_at.
CREATE TABLE webhook_deliveries (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id      uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    -- The same in every attempt, so that a receiver can tell an event that comes twice.
    message         uuid NOT NULL DEFAULT gen_random_uuid(),
    event           text NOT NULL,
    -- What it is about; none for a ping. No reference: that a recording was deleted is told when it is gone.
    recording_id    uuid,
    state           text,
    title           text,
    run             integer,
    failure         text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- When it is to be tried next; none when it was delivered or given up.
    due_at          timestamptz DEFAULT now(),
    tries           integer NOT NULL DEFAULT 0,
    delivered_at    timestamptz,
    given_up_at     timestamptz,
    -- What came of the last attempt: a status, or why there was none.
    last_status     integer,
    last_error      text,
    CHECK ((due_at IS NULL) = (delivered_at IS NOT NULL OR given_up_at IS NOT NULL))
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, number);
CREATE INDEX webhook_deliveries_of_recording ON webhook_deliveries (recording_id);
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (created_at);

CREATE FUNCTION note_webhook_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    about recordings := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    happened text := CASE
        WHEN TG_OP = 'DELETE' THEN 'recording.deleted'
        WHEN about.state IN ('completed', 'completed_with_gaps') THEN 'recording.completed'
        WHEN about.state = 'failed' THEN 'recording.failed'
        WHEN about.state = 'cancelled' THEN 'recording.cancelled'
    END;
BEGIN
    IF TG_OP = 'DELETE' THEN
        -- What people wrote or heard goes with the recording, also where it waits to be sent.
        UPDATE webhook_deliveries SET title = NULL, failure = NULL
        WHERE recording_id = about.id AND (title IS NOT NULL OR failure IS NOT NULL);
        about.title := NULL;
        about.failure := NULL;
    END IF;
    IF happened IS NOT NULL THEN
        INSERT INTO webhook_deliveries (webhook_id, event, recording_id, state, title, run, failure)
        SELECT id, happened, about.id, about.state, about.title, about.run, about.failure
        FROM webhooks WHERE disabled_at IS NULL AND happened = ANY (events)
        -- One that is being deleted is waited for, and left out: its deliveries could not be kept.
        FOR KEY SHARE;
    END IF;
    RETURN NULL;
END
$$;

-- Whichever service it is that changes a recording.
CREATE TRIGGER recordings_change_is_told AFTER UPDATE ON recordings FOR EACH ROW
    WHEN (NEW.state IS DISTINCT FROM OLD.state OR NEW.run IS DISTINCT FROM OLD.run)
    EXECUTE FUNCTION note_webhook_event();

CREATE TRIGGER recordings_end_is_told AFTER DELETE ON recordings FOR EACH ROW
    EXECUTE FUNCTION note_webhook_event();
