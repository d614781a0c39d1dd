-- Whose chunk goes to the broker next. A few of each recording's are there at a time; the others wait here.

ALTER TABLE recordings
    -- How soon, beside others: an interactive recording has eight turns where a bulk one has one.
    ADD COLUMN priority          text NOT NULL DEFAULT 'interactive' CHECK (priority IN ('interactive', 'bulk')),
    -- When its next turn is, on the clock of its caller (release_callers); none before its first.
    ADD COLUMN turn              double precision,
    -- When its decoding was last ordered; none while that waits. The default is for programs that order it by themselves.
    ADD COLUMN decode_ordered_at timestamptz DEFAULT now();

ALTER TABLE resumable_uploads
    ADD COLUMN priority          text NOT NULL DEFAULT 'interactive' CHECK (priority IN ('interactive', 'bulk'));

ALTER TABLE chunks
    -- When its job was last given to the outbox; none while it waits for its turn. The default is for programs that do that by themselves.
    ADD COLUMN released_at       timestamptz DEFAULT now();

CREATE INDEX chunks_to_release ON chunks (recording_id, chunk) WHERE released_at IS NULL;

-- The clock by which callers have their turns: that of the last turn. Whoever gives turns holds this row.
CREATE TABLE release_clock (
    only_one        boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    clock           double precision NOT NULL DEFAULT 0
);

INSERT INTO release_clock DEFAULT VALUES;

-- Callers that have had turns: when the next one is, the clock of their own recordings, and how much of the short ones went ahead of all
-- others since one of these had a turn, in blocks.
CREATE TABLE release_callers (
    caller          text PRIMARY KEY,
    turn            double precision NOT NULL,
    clock           double precision NOT NULL,
    ahead           double precision NOT NULL
);
