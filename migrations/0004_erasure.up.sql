-- What is still to be erased of recordings whose rows are gone, and what need not be kept of those that are done.

-- Recordings that were deleted, by id alone. Written in the transaction that deletes the rows; gone once the object store has said,
-- and said again later, that nothing is left.
CREATE TABLE erasures (
    recording_id    uuid PRIMARY KEY,
    asked_at        timestamptz NOT NULL DEFAULT now(),
    -- When its folder was found empty.
    emptied_at      timestamptz,
    -- When it is to be looked at next.
    due_at          timestamptz NOT NULL DEFAULT now(),
    tries           integer NOT NULL DEFAULT 0
);

CREATE INDEX erasures_by_due ON erasures (due_at);

-- The object store that this database tells of, known by the object 'store-id' in it. Nothing is taken for deleted, or for
-- nobody's, in a store without it: a volume that is not mounted looks like an empty folder.
CREATE TABLE object_store (
    only_one        boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id              uuid NOT NULL,
    -- Whether that object was stored.
    marked          boolean NOT NULL DEFAULT false
);

ALTER TABLE recordings
    -- Up to this run, nobody may count on the chunks' audio any more.
    ADD COLUMN clearing_run integer NOT NULL DEFAULT 0,
    -- Up to this run, it is deleted.
    ADD COLUMN cleared_run  integer NOT NULL DEFAULT 0;

CREATE INDEX recordings_to_clear ON recordings (updated_at) WHERE cleared_run < run;

-- How far each queue has got, for the pass that looks for lost chunks.
CREATE INDEX inbox_by_age ON inbox (received_at);
