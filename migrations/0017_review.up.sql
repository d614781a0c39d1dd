-- Turns that a person has listened to and found right, or put right: how far the review of a recording has come.
CREATE TABLE checked_turns (
    recording_id    uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
    -- The turn as it was then: frames of 16.875 ms from the start of the recording, and the label of its speaker.
    first_frame     integer NOT NULL CHECK (first_frame >= 0),
    end_frame       integer NOT NULL CHECK (end_frame > first_frame),
    speaker_label   text NOT NULL,
    checked_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (recording_id, first_frame, end_frame, speaker_label)
);
