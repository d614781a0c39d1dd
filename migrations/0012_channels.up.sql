-- Sides of a call that are told apart, and what was asked for and could not be.

-- Channels in a chunk's object: one, or the two sides.
ALTER TABLE chunks ADD COLUMN channels smallint NOT NULL DEFAULT 1 CHECK (channels IN (1, 2));

-- What is known only once all is heard, in words for the uploader; written with the completion. (warnings are of the file.)
ALTER TABLE recordings ADD COLUMN result_warnings text[] NOT NULL DEFAULT '{}';
