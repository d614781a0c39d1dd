-- Uploads that may be interrupted and gone on with (tus 1.0.0), until they are recordings.
CREATE TABLE resumable_uploads (
    -- The id that the recording will have. What came in lies in the recording's folder, so that deleting one deletes all.
    id              uuid PRIMARY KEY,
    -- Name of the token that the caller brought; empty where none is set. Nobody else sees the upload.
    caller          text NOT NULL,
    -- Bytes of the whole; none as long as the client has not said it.
    length          bigint CHECK (length > 0),
    -- Bytes that have come: the offset of the protocol. All of them are in upload_parts.
    received        bigint NOT NULL DEFAULT 0 CHECK (received >= 0 AND (length IS NULL OR received <= length)),
    -- The header Upload-Metadata as it was sent: the client may ask for it.
    metadata        text NOT NULL,
    -- What it says of the recording, checked when the upload was created.
    title           text NOT NULL,
    file_stem       text NOT NULL,
    settings        jsonb NOT NULL,
    allow_gaps      boolean NOT NULL,
    chunk_blocks    integer NOT NULL,
    -- While the parts are being put together: the process at it renews this; past it, another one may begin.
    composing_until timestamptz,
    -- The recording that it has become; gone with the recording.
    recording_id    uuid REFERENCES recordings ON DELETE CASCADE,
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- Moves with everything that comes.
    expires_at      timestamptz NOT NULL,
    CHECK (recording_id IS NULL OR recording_id = id)
);

CREATE INDEX resumable_uploads_by_expiry ON resumable_uploads (expires_at);
CREATE INDEX resumable_uploads_of_recording ON resumable_uploads (recording_id);

-- What has come in, in objects of a few MiB. Deleted once the recording has the whole.
CREATE TABLE upload_parts (
    upload_id       uuid NOT NULL REFERENCES resumable_uploads ON DELETE CASCADE,
    first_byte      bigint NOT NULL CHECK (first_byte >= 0),
    bytes           bigint NOT NULL CHECK (bytes > 0),
    object          text NOT NULL,
    PRIMARY KEY (upload_id, first_byte)
);
