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
    runner_up_score      real,
    runner_up_confidence real CHECK (runner_up_confidence BETWEEN 0 AND 1),
    PRIMARY KEY (recording_id, first_frame, slot),
    CHECK ((runner_up IS NULL) = (runner_up_confidence IS NULL) AND runner_up IS DISTINCT FROM speaker)
);
