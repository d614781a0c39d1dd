-- Nothing happens to recordings now that webhooks should be told.
ALTER TABLE recordings DISABLE TRIGGER recordings_change_is_told;
-- What is separated cannot be read as one channel: whoever wants it has it processed again. What is completed stays.
UPDATE recordings SET state = 'failed', failure = 'its channels were told apart, which this release cannot'
WHERE state IN ('queued', 'processing') AND id IN (SELECT recording_id FROM chunks WHERE channels > 1);
ALTER TABLE recordings ENABLE TRIGGER recordings_change_is_told;
-- Their analyses, so that none is used again.
DELETE FROM inbox WHERE recording_id IN (SELECT recording_id FROM chunks WHERE channels > 1);
ALTER TABLE recordings DROP COLUMN result_warnings;
ALTER TABLE chunks DROP COLUMN channels;
