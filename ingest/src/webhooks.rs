//! Webhooks: who is told what becomes of recordings, over HTTP, signed as Standard Webhooks are.
//!
//! A trigger of the database (migration 0007) notes an event for every webhook in the transaction in which it happens, whichever
//! service it is; [`sender`] sends what is noted, on any ingest process, until the receiver takes it or a day is over.

pub(crate) mod address;
pub(crate) mod event;
pub(crate) mod registry;
pub(crate) mod schedule;
pub(crate) mod sender;
pub(crate) mod signature;
