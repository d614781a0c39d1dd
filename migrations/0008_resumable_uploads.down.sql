-- What has come in and is no recording yet goes as what is deleted does.
INSERT INTO erasures (recording_id)
SELECT id FROM resumable_uploads WHERE recording_id IS NULL
ON CONFLICT DO NOTHING;

DROP TABLE upload_parts, resumable_uploads;
