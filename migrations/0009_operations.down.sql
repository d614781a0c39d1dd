ALTER TABLE inbox DROP COLUMN trace;
DROP INDEX recordings_failed;
DROP TABLE paused_queues;
DROP TABLE worker_chunks;
DROP TABLE workers;
