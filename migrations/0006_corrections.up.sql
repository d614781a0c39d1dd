-- What people said of a result: a recording's corrections in their order, applied again whenever it is completed.
CREATE TABLE corrections (
    recording_id    uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
    number          integer NOT NULL CHECK (number > 0),
    -- diarization::corrections::Correction.
    correction      jsonb NOT NULL,
    -- What the analyses were of in which its speech was found.
    model_version   text NOT NULL,
    configuration   text NOT NULL,
    -- Whether its speech was found when the recording was last labelled.
    applied         boolean NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (recording_id, number)
);

-- Number of the last correction ever made, taken back or not.
ALTER TABLE recordings ADD COLUMN corrections_made integer NOT NULL DEFAULT 0;

-- What was decided over the whole of a completed recording, without corrections: results::decision.
CREATE TABLE decisions (
    recording_id    uuid PRIMARY KEY REFERENCES recordings ON DELETE CASCADE,
    decision        bytea NOT NULL
);
-- Voice vectors do not get smaller.
ALTER TABLE decisions ALTER COLUMN decision SET STORAGE EXTERNAL;

-- A piece that a person gave to its speaker.
ALTER TABLE matches ADD COLUMN corrected boolean NOT NULL DEFAULT false;

-- Direction of the voice from the recording's centre; none of what was completed before.
ALTER TABLE speaker_embeddings ADD COLUMN direction vector;
-- A person can find a speaker in speech too short to have a voice.
ALTER TABLE speaker_embeddings ALTER COLUMN embedding_vector DROP NOT NULL;
