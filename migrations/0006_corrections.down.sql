DELETE FROM speaker_embeddings WHERE embedding_vector IS NULL;
ALTER TABLE speaker_embeddings ALTER COLUMN embedding_vector SET NOT NULL;
ALTER TABLE speaker_embeddings DROP COLUMN direction;
ALTER TABLE matches DROP COLUMN corrected;
DROP TABLE decisions;
DROP TABLE corrections;
ALTER TABLE recordings DROP COLUMN corrections_made;
