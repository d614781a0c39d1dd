//! Points: the places at which the death of a process makes a difference, each named in the one place that all work passes.
//!
//! In a service a point is passed as if it were not there. A simulation that runs the same code sets a hook around it, and ends
//! the work at a point by never answering and dropping its future: what is not committed is rolled back, what is not
//! acknowledged is delivered again, as after a `kill -9`.

use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;

/// Place in the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A transaction has done its work and is not committed.
    BeforeCommit,
    /// A transaction is committed.
    AfterCommit,
    /// A message is made and not sent.
    BeforeSend,
    /// The broker has confirmed a message.
    AfterConfirm,
    /// The work that a message asked for is done, and the broker does not know.
    BeforeAck,
    /// The broker knows that a message is done.
    AfterAck,
    /// A message is held while what its work needs is away.
    Waiting,
}

/// A named place: a transaction's name, or a queue's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Place in the work.
    pub place: Place,
    /// Name of the transaction, or of the queue.
    pub of: String,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.place {
            Place::BeforeCommit => "before the commit of",
            Place::AfterCommit => "after the commit of",
            Place::BeforeSend => "before sending to",
            Place::AfterConfirm => "after the confirm of",
            Place::BeforeAck => "before acknowledging from",
            Place::AfterAck => "after acknowledging from",
            Place::Waiting => "waiting with a message of",
        };
        write!(f, "{words} '{}'", self.of)
    }
}

/// Continuation of the work at a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// As if nothing had been there.
    #[default]
    GoOn,
    /// The work is done, and its answer is lost on the way back.
    AnswerLost,
}

/// Is asked at every point.
pub type Hook = Arc<dyn Fn(Point) -> BoxFuture<'static, Fate> + Send + Sync>;

tokio::task_local! {
    static HOOK: Hook;
}

/// Runs `work` with `hook` asked at every point that it reaches on its own task.
pub async fn hooked<F: Future>(hook: Hook, work: F) -> F::Output {
    HOOK.scope(hook, work).await
}

/// Marks a point.
pub(crate) async fn reach(place: Place, of: &str) -> Fate {
    match HOOK.try_with(|hook| hook(Point { place, of: of.to_owned() })) {
        Ok(answer) => answer.await,
        Err(_) => Fate::GoOn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test]
    async fn a_point_is_passed_unless_somebody_asks_to_be_told() {
        assert_eq!(reach(Place::BeforeAck, "q").await, Fate::GoOn);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        let hook: Hook = Arc::new(move |point| {
            noted.lock().expect("is whole").push(point.to_string());
            Box::pin(async { Fate::AnswerLost })
        });
        assert_eq!(hooked(hook, reach(Place::AfterCommit, "inbox")).await, Fate::AnswerLost);
        assert_eq!(*seen.lock().expect("is whole"), ["after the commit of 'inbox'"]);
    }
}
