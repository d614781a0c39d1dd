//! Work: something a process does, driven from point to point.

use super::broker::Tag;
use super::op::Until;
use futures::future::{BoxFuture, LocalBoxFuture};
use service_kit::handling::Lost;
use service_kit::points::{self, Fate, Hook, Place, Point};
use service_kit::shutdown::Shutdown;
use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use uuid::Uuid;

/// Subject of a message: recording, run, kind of message, chunk.
pub type Subject = (Uuid, i32, &'static str, u32);

/// End of a piece of work.
pub enum Ended {
    /// A delivery was handled, or its connection lost.
    Handled(Result<(), Lost>),
    /// A user's request was answered; the words of an error.
    Answered(Result<(), String>),
    /// A pass over outbox or recordings is done.
    Passed,
}

/// Kind of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Handles a delivery.
    Handles {
        /// Tag of the delivery.
        tag: Tag,
        /// Subject of the message, where that can be read.
        subject: Option<Subject>,
    },
    /// Sends the outbox: it sends inside a transaction.
    Sends,
    /// Looks at everything.
    Looks,
    /// Deletes what must go.
    Cleans,
    /// An upload.
    Uploads(usize),
    /// A new run.
    Reprocesses(usize),
    /// A deletion.
    Deletes(usize),
    /// A replay.
    Replays,
}

/// State that work has reached.
pub enum Reached {
    /// Its end.
    End(Ended),
    /// A point at which its process died; `None` where a chunk killed it.
    Death(Option<Point>),
    /// A point at which it stands.
    Standing(Point),
    /// A lock that another one holds.
    Lock,
}

#[derive(Default)]
struct Plan {
    until: Option<Until>,
    left: u8,
    seen: Vec<Point>,
    stopped: Option<Reached>,
    go_on: bool,
}

/// Decides at every point of one piece of work.
#[derive(Clone, Default)]
pub struct Control(Arc<Mutex<Plan>>);

impl Control {
    fn plan<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hook(&self) -> Hook {
        let control = self.clone();
        Arc::new(move |point| control.clone().reach(point))
    }

    fn reach(self, point: Point) -> BoxFuture<'static, Fate> {
        let stands = self.plan(|plan| {
            plan.seen.push(point.clone());
            let counts = match plan.until {
                Some(Until::Dies(_)) => true,
                Some(Until::Stands(_)) => point.place != Place::AfterAck,
                Some(Until::Unanswered(_)) => point.place == Place::AfterCommit,
                Some(Until::End) | None => false,
            };
            if counts && plan.left > 0 {
                plan.left -= 1;
                return None;
            }
            let until = if counts { plan.until.take() } else { None };
            match until {
                Some(Until::Unanswered(_)) => Some(Fate::AnswerLost),
                Some(Until::Dies(_)) => {
                    plan.stopped = Some(Reached::Death(Some(point)));
                    Some(Fate::GoOn)
                }
                // Waiting for the broker takes real time, and only makes sense while others go on.
                _ if until.is_some() || point.place == Place::Waiting => {
                    plan.stopped = Some(Reached::Standing(point));
                    Some(Fate::GoOn)
                }
                _ => None,
            }
        });
        match stands {
            None => Box::pin(async { Fate::GoOn }),
            Some(Fate::AnswerLost) => Box::pin(async { Fate::AnswerLost }),
            Some(Fate::GoOn) => Box::pin(poll_fn(move |_| {
                let go_on = self.plan(|plan| std::mem::take(&mut plan.go_on));
                if go_on { Poll::Ready(Fate::GoOn) } else { Poll::Pending }
            })),
        }
    }

    /// Marks the process as killed by what it has in hand; never returns.
    pub async fn die<T>(&self) -> T {
        self.plan(|plan| plan.stopped = Some(Reached::Death(None)));
        pending().await
    }
}

/// True if the end of its process' time is certain to reach work that stands at `point`. Such work is inside a handler, or waits for
/// the broker between two tries.
pub fn can_be_told_to_stop(point: &Point) -> bool {
    matches!(point.place, Place::BeforeCommit | Place::AfterCommit | Place::Waiting)
}

/// Something that a process does.
pub struct Work {
    /// Kind of work.
    pub kind: Kind,
    /// In words.
    pub name: String,
    /// Decides at its points.
    pub control: Control,
    /// Tells its process to stop.
    pub shutdown: Shutdown,
    /// Point at which it stands; none while it moves.
    pub stands_at: Option<Point>,
    /// True once something that it sent was confirmed.
    pub confirmed: bool,
    future: LocalBoxFuture<'static, Ended>,
}

impl Work {
    /// Work that `begin` begins, with what decides at its points and what tells its process to stop.
    pub fn new<F: Future<Output = Ended> + 'static>(
        kind: Kind,
        name: String,
        begin: impl FnOnce(Control, Shutdown) -> F,
    ) -> Self {
        let (control, shutdown) = (Control::default(), Shutdown::with_grace(Duration::ZERO));
        let future = points::hooked(control.hook(), begin(control.clone(), shutdown.clone()));
        Self { kind, name, control, shutdown, stands_at: None, confirmed: false, future: Box::pin(future) }
    }

    /// True while it stands inside a transaction, and so holds locks.
    pub fn holds_locks(&self) -> bool {
        self.stands_at.as_ref().is_some_and(|point| match point.place {
            Place::BeforeCommit => true,
            Place::BeforeSend | Place::AfterConfirm => self.kind == Kind::Sends,
            Place::AfterCommit | Place::BeforeAck | Place::AfterAck | Place::Waiting => false,
        })
    }

    /// From now on it goes `until` there; where it stood, it goes on.
    pub fn go(&mut self, until: Until) {
        let standing = self.stands_at.take().is_some();
        self.control.plan(|plan| {
            plan.left = match until {
                Until::Dies(n) | Until::Stands(n) | Until::Unanswered(n) => n,
                Until::End => 0,
            };
            plan.until = Some(until);
            plan.stopped = None;
            plan.go_on = standing;
        });
    }

    /// Its process is told to stop, with no time left: what it stands in is dropped there.
    pub fn told_to_stop(&mut self) {
        // What waits for the broker is outside of its handler: it goes on, and finds that it has no time.
        let waits = self.stands_at.take().is_some_and(|point| point.place == Place::Waiting);
        self.control.plan(|plan| {
            plan.until = None;
            plan.stopped = None;
            plan.go_on = waits;
        });
        self.shutdown.ask();
    }

    /// Drives it to where it ends, dies, stands, or waits for a lock, which `waits_for_lock` is asked now and then.
    pub async fn drive<F: Future<Output = bool>>(
        &mut self,
        mut waits_for_lock: impl FnMut() -> F,
    ) -> Reached {
        let Self { control, future, stands_at, .. } = self;
        loop {
            let reached = poll_fn(|context| {
                if let Poll::Ready(ended) = future.as_mut().poll(context) {
                    return Poll::Ready(Reached::End(ended));
                }
                control.plan(|plan| plan.stopped.take()).map_or(Poll::Pending, Poll::Ready)
            });
            match tokio::time::timeout(LOOK_FOR_LOCKS, reached).await {
                Ok(Reached::Standing(point)) => {
                    *stands_at = Some(point.clone());
                    return Reached::Standing(point);
                }
                Ok(reached) => return reached,
                Err(_) if waits_for_lock().await => return Reached::Lock,
                Err(_) => {}
            }
        }
    }
}

/// Time without an answer after which work is examined for waiting for a lock.
const LOOK_FOR_LOCKS: Duration = Duration::from_millis(3);

/// Counts for each point: times that it was passed, that work died there, and that work stood there.
#[derive(Clone, Debug, Default)]
pub struct Met(pub BTreeMap<Point, [u64; 3]>);

impl Met {
    /// Notes what `work` has met on its way.
    pub fn note(&mut self, work: &mut Work, reached: &Reached) {
        for point in work.control.plan(|plan| std::mem::take(&mut plan.seen)) {
            work.confirmed |= point.place == Place::AfterConfirm;
            self.0.entry(point).or_default()[0] += 1;
        }
        match reached {
            Reached::Death(Some(point)) => self.0.entry(point.clone()).or_default()[1] += 1,
            Reached::Standing(point) => self.0.entry(point.clone()).or_default()[2] += 1,
            Reached::Death(None) | Reached::End(_) | Reached::Lock => {}
        }
    }

    /// Adds another one's.
    pub fn add(&mut self, other: &Self) {
        for (point, counts) in &other.0 {
            let sums = self.0.entry(point.clone()).or_default();
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
}
