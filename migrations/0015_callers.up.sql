-- Who sent a recording: the name of the token that the caller brought; empty where none was set, and of what was sent before this was kept.
ALTER TABLE recordings ADD COLUMN caller text NOT NULL DEFAULT '';
