-- What Throughline knows of a recording, from upload to turns. Postgres and the object store are the truth; queues
-- can be rebuilt from here.
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE recordings (
    id              uuid PRIMARY KEY,
    title           text NOT NULL,
    -- Stem of the uploaded file's name; the file field of the recording's RTTM.
    file_stem       text NOT NULL,
    state           text NOT NULL DEFAULT 'queued'
                    CHECK (state IN ('queued', 'processing', 'completed', 'failed')),
    -- Why it failed, in words for the uploader.
    failure         text,
    -- What was damaged in the file, in words for the uploader.
    warnings        text[] NOT NULL DEFAULT '{}',
    -- Raised by every reprocessing; messages of an older run are stale.
    run             integer NOT NULL DEFAULT 1,
    upload_object   text NOT NULL,
    upload_sha256   text NOT NULL,
    upload_bytes    bigint NOT NULL,
    -- diarization::diarize::Settings.
    settings        jsonb NOT NULL,
    -- The recording is pinned to the models and the configuration it started with.
    model_version   text NOT NULL,
    configuration   text NOT NULL,
    chunk_blocks    integer NOT NULL CHECK (chunk_blocks BETWEEN 1 AND 20),
    -- Written when decoding ends; completion needs them.
    chunk_count     integer,
    samples         bigint,
    -- The cursor: chunks before it are matched and committed.
    next_chunk      integer NOT NULL DEFAULT 0,
    -- diarization::matching::ReferenceSet after the chunks before the cursor.
    reference_set   jsonb,
    -- Trace context of the upload.
    trace           jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    completed_at    timestamptz,
    CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CHECK ((state = 'completed') = (completed_at IS NOT NULL))
);

CREATE INDEX recordings_by_age ON recordings (created_at DESC);
-- For the passes that look for recordings which do not move.
CREATE INDEX recordings_in_work ON recordings (updated_at) WHERE state IN ('queued', 'processing');

-- One row per stored chunk, written in the transaction that also writes its job to the outbox.
CREATE TABLE chunks (
    recording_id    uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
    chunk           integer NOT NULL,
    object          text NOT NULL,
    samples         bigint NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (recording_id, chunk)
);

-- Messages that must be sent because of what was committed with them; deleted once the broker has confirmed.
CREATE TABLE outbox (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recording_id    uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
    queue           text NOT NULL,
    kind            text NOT NULL,
    body            bytea NOT NULL,
    trace           jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX outbox_of_recording ON outbox (recording_id);

-- Analyses as they arrived, once each whatever the broker delivers.
CREATE TABLE inbox (
    recording_id    uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
    chunk           integer NOT NULL,
    model_version   text NOT NULL,
    configuration   text NOT NULL,
    -- Block analyses, MessagePack.
    analysis        bytea NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (recording_id, chunk, model_version, configuration)
);

-- Who spoke when. Provisional while chunks are still in work; replaced as a whole when the recording is completed.
CREATE TABLE turns (
    recording_id    uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
    -- Frames of 16.875 ms counted from the start of the recording.
    first_frame     integer NOT NULL,
    end_frame       integer NOT NULL CHECK (end_frame > first_frame),
    speaker         integer NOT NULL,
    speaker_label   text NOT NULL,
    provisional     boolean NOT NULL,
    PRIMARY KEY (recording_id, first_frame, speaker)
);

-- One voice vector per speaker of a completed recording. The dimension follows the model.
CREATE TABLE speaker_embeddings (
    recording_id     uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
    speaker          integer NOT NULL,
    speaker_label    text NOT NULL,
    model_version    text NOT NULL,
    embedding_vector vector NOT NULL,
    speech_seconds   double precision NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (recording_id, speaker)
);

-- Messages the broker gave up on, with the reason; kept here so that the dead-letter queue can be emptied.
CREATE TABLE dead_letters (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recording_id    uuid REFERENCES recordings ON DELETE CASCADE,
    queue           text NOT NULL,
    reason          text NOT NULL,
    kind            text NOT NULL,
    body            bytea NOT NULL,
    trace           jsonb NOT NULL DEFAULT '{}',
    died_at         timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX dead_letters_of_recording ON dead_letters (recording_id);
