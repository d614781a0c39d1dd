-- Idempotency-Key of uploads: a repeated upload is one recording.
CREATE TABLE upload_keys (
    -- Name of the token that the caller brought; empty where none is set.
    caller          text NOT NULL,
    key             text NOT NULL,
    -- Id that the upload's recording has, or will have once it has come in.
    receiver        uuid NOT NULL,
    -- While the upload comes in: the process that receives it renews this; past it, the key is free.
    held_until      timestamptz NOT NULL,
    -- The recording that has the key, and what it was made from; gone with the recording.
    recording_id    uuid REFERENCES recordings ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    fingerprint     text,
    PRIMARY KEY (caller, key),
    CHECK ((recording_id IS NULL) = (fingerprint IS NULL))
);

CREATE INDEX upload_keys_of_recording ON upload_keys (recording_id);
CREATE INDEX upload_keys_by_receiver ON upload_keys (receiver);
