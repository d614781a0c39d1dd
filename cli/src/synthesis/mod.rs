//! Synthesis: recordings with an exact reference, put together from what single speakers said. For the bench: as many as are wanted, of
//! any number of speakers and any channel, the same ones for ever from the same seed.

pub mod channel;
pub mod conversation;
pub mod material;
pub mod recording;
pub mod stress;
