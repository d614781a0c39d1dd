-- Who did what, for operators. Rows go after some time (THROUGHLINE_AUDIT_DAYS).
CREATE TABLE audit (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    -- Name of the token; empty where none was asked for.
    caller          text NOT NULL,
    -- What was done, as recording.deleted or queue.paused; else the method and the route.
    action          text NOT NULL,
    -- No reference: what is deleted must still be found here.
    recording_id    uuid,
    -- What else it was done to: a queue, a webhook, a dead letter.
    subject         text,
    -- Status of the answer; none where the caller had gone before it, so that nobody can say.
    status          smallint
);

CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_of_recording ON audit (recording_id, number) WHERE recording_id IS NOT NULL;

-- Browsers' sessions that were ended before their time. Rows go when that has come.
CREATE TABLE ended_sessions (
    id              uuid PRIMARY KEY,
    ends_at         timestamptz NOT NULL
);
