ALTER TABLE paused_queues DROP COLUMN paused_by;
ALTER TABLE workers DROP COLUMN process;
DROP TABLE operations_samples;
