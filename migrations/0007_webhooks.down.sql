DROP TRIGGER recordings_change_is_told ON recordings;
DROP TRIGGER recordings_end_is_told ON recordings;
DROP FUNCTION note_webhook_event();
DROP TABLE webhook_deliveries, webhooks;
