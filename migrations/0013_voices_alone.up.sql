-- How alike two speakers sound is the cosine of their voices: nothing is measured about a recording's centre any more.
ALTER TABLE speaker_embeddings DROP COLUMN direction;
