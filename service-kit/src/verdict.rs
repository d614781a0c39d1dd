//! Verdict: what becomes of a message, decided where the outcome is known and carried out in one place.

/// What a handler says of the message it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All its effects are durable: acknowledge it.
    Done,
    /// It may succeed later: give it back; the broker counts the attempts.
    Retry(String),
    /// It can never succeed: dead-letter it.
    Reject(String),
}
