DROP TABLE dead_letters, speaker_embeddings, turns, inbox, outbox, chunks, recordings;
-- The extension stays: other schemas of the database may use it.
