-- What the player draws: how loud a recording is, written in the transaction that ends its decoding.
CREATE TABLE waveforms (
    recording_id    uuid PRIMARY KEY REFERENCES recordings ON DELETE CASCADE,
    -- One byte for each 50 ms: the largest sample in it, 255 being full scale.
    peaks           bytea NOT NULL
);
