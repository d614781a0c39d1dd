-- None of what was completed since: how alike its speakers sound is not known.
ALTER TABLE speaker_embeddings ADD COLUMN direction vector;
