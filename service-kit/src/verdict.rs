//! Verdict: what becomes of a message, decided where the outcome is known and carried out in one place ([`crate::policy`]).

/// Verdict of a handler on the message it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All its effects are durable: acknowledge it.
    Done,
    /// It failed and may succeed later: it is tried again after a wait, [`crate::topology::ATTEMPTS`] times in all.
    Retry(String),
    /// Something that the work needs is away (database, object store, broker), which is no fault of the message. The message is
    /// held until that is back, or sent again after [`crate::budget::HOLD`]; no attempt is counted.
    Wait(String),
    /// Another is at what the work is about (a row is locked): it is sent again after a few seconds, others of its queue are handled
    /// meanwhile, and no attempt is counted.
    Later(String),
    /// It can never succeed: dead-letter it.
    Reject(String),
}
