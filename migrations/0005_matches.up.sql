-- Why a turn is its speaker's: whom each piece of the recording was given to, how alike the voices are, how sure that is and who comes
-- next. Provisional while turns are, and replaced with them.
CREATE TABLE matches (
    recording_id         uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
    -- The piece: frames of 16.875 ms counted from the start of the recording, and its slot inside its block.
    first_frame          integer NOT NULL,
    end_frame            integer NOT NULL CHECK (end_frame > first_frame),
    slot                 smallint NOT NULL,
    speaker              integer NOT NULL,
    -- Cosine about the recording's centre; none where the speech was too short to have a voice.
    score                real CHECK (score BETWEEN -1.01 AND 1.01),
    -- Probability that the speaker is right.
    confidence           real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    runner_up            integer,
    runner_up_score      real CHECK (runner_up_score BETWEEN -1.01 AND 1.01),
    runner_up_confidence real CHECK (runner_up_confidence BETWEEN 0 AND 1),
    PRIMARY KEY (recording_id, first_frame, slot),
    CHECK ((runner_up IS NULL) = (runner_up_confidence IS NULL) AND runner_up IS DISTINCT FROM speaker),
    CHECK (runner_up IS NOT NULL OR runner_up_score IS NULL)
);

-- matcher::reference_set: a version and the set, MessagePack. What is in work is matched anew, from what was analysed.
UPDATE recordings SET reference_set = NULL, next_chunk = 0 WHERE state IN ('queued', 'processing');
ALTER TABLE recordings ALTER COLUMN reference_set TYPE bytea USING NULL;
-- Voice vectors do not get smaller, and trying takes longer than writing them.
ALTER TABLE recordings ALTER COLUMN reference_set SET STORAGE EXTERNAL;
