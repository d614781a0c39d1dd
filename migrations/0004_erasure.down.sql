DROP INDEX inbox_by_age, recordings_to_clear;

ALTER TABLE recordings DROP COLUMN clearing_run, DROP COLUMN cleared_run;

DROP TABLE object_store, erasures;
