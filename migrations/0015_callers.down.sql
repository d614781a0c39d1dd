ALTER TABLE recordings DROP COLUMN caller;
