-- What operators see beside the present: the last hour, which worker is which, and who paused a queue.

-- The whole as it was in each minute, for a day; whichever ingest looks first writes it down.
CREATE TABLE operations_samples (
    at                       timestamptz PRIMARY KEY,
    backlog_audio_seconds    double precision NOT NULL,
    audio_seconds_per_second double precision NOT NULL,
    workers                  integer NOT NULL
);

-- Number of the process on its machine; null where its release does not tell.
ALTER TABLE workers ADD COLUMN process bigint;

-- Name of the token by which it was paused; empty where calls need none.
ALTER TABLE paused_queues ADD COLUMN paused_by text NOT NULL DEFAULT '';
