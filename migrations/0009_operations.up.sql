-- What operators see of the services, and the queues that they have paused.

-- Every process that has given a sign of life within minutes, as it told of itself (service_kit::heartbeat).
CREATE TABLE workers (
    id                       uuid PRIMARY KEY,
    service                  text NOT NULL,
    host                     text NOT NULL,
    version                  text NOT NULL,
    started_at               timestamptz NOT NULL,
    last_seen                timestamptz NOT NULL DEFAULT now(),
    -- Of workers alone.
    model_version            text,
    configuration            text,
    device                   text,
    threads                  integer,
    audio_seconds            double precision NOT NULL DEFAULT 0,
    audio_seconds_per_second double precision NOT NULL DEFAULT 0,
    -- Seconds of audio that one of its threads analyses per second while it is at work.
    speed                    double precision,
    -- Seconds per second of audio, by stage.
    stages                   jsonb NOT NULL DEFAULT '{}'
);

-- What workers had in hand at their last sign of life. It goes with the recording like all that names one.
CREATE TABLE worker_chunks (
    worker_id       uuid NOT NULL REFERENCES workers ON DELETE CASCADE,
    recording_id    uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
    chunk           integer NOT NULL,
    since           timestamptz NOT NULL,
    PRIMARY KEY (worker_id, recording_id, chunk)
);

CREATE INDEX worker_chunks_of_recording ON worker_chunks (recording_id);

-- Nothing is taken from these queues until they are resumed. A row stays when its queue is resumed: for as long as it was paused, its
-- jobs were not overdue.
CREATE TABLE paused_queues (
    queue           text PRIMARY KEY,
    paused_at       timestamptz NOT NULL DEFAULT now(),
    resumed_at      timestamptz
);

-- For the latest failures.
CREATE INDEX recordings_failed ON recordings (updated_at DESC) WHERE state = 'failed';

ALTER TABLE inbox
    -- Trace context of its arrival: what matches several chunks at once is linked with all of them.
    ADD COLUMN trace jsonb NOT NULL DEFAULT '{}';
