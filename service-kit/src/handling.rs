//! Handling: one delivery from hand to acknowledgement. Whose hand it is does not matter here, so that the order of these steps,
//! first carry out, then acknowledge, is the same over a real broker and in a simulation.

use crate::broker::Backoff;
use crate::budget::{Budget, HOLD};
use crate::delivery::Delivery;
use crate::pauses::Pauses;
use crate::points::{self, Place};
use crate::policy::{self, Action};
use crate::publisher::{Envelope, Post, PublishError, Publisher};
use crate::shutdown::Shutdown;
use crate::surroundings::Surroundings;
use crate::topology;
use crate::verdict::Verdict;
use chrono::Utc;
use lapin::message::Delivery as Amqp;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use std::time::{Duration, Instant};

/// Wait before a dead letter that cannot be kept goes back to its queue.
const DEAD_WAIT: Duration = Duration::from_secs(16);
/// Interval, while the broker takes nothing, between two checks that it still waits for the message in hand.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Queue to consume, with its limits.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The queue.
    pub queue: String,
    /// Longest time for one attempt.
    pub budget: Budget,
    /// Told when a message waits for what is away.
    pub surroundings: Surroundings,
    /// Paused queues: while `queue` is one of them, nothing is taken from it.
    pub pauses: Pauses,
    /// True where every message ends in another one that is sent on: then none is taken while the broker takes nothing.
    pub sends_on: bool,
}

/// Whoever waits to hear what became of a delivery.
pub trait Deliverer {
    /// Hears that it is done.
    fn acknowledge(&self) -> impl Future<Output = lapin::Result<()>>;
    /// Takes it back, to deliver it again.
    fn take_back(&self) -> impl Future<Output = lapin::Result<()>>;
    /// False once nobody waits for it any more: the connection is lost, or the broker has lost patience.
    fn waits(&self) -> bool {
        true
    }
}

impl Deliverer for Amqp {
    async fn acknowledge(&self) -> lapin::Result<()> {
        self.ack(BasicAckOptions::default()).await?;
        Ok(())
    }

    async fn take_back(&self) -> lapin::Result<()> {
        self.reject(BasicRejectOptions { requeue: true }).await?;
        Ok(())
    }

    fn waits(&self) -> bool {
        self.acker.usable()
    }
}

/// The broker did not hear what became of a delivery; it will deliver it again.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The broker cannot be reached.
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    /// A message that was to be sent is not known to be on its queue.
    #[error("{0}")]
    Publish(#[from] PublishError),
    /// It was taken back in mid-work.
    #[error("the broker has taken the message back")]
    TakenBack,
}

/// Everything that handling a delivery needs.
pub struct Handling<'a, P> {
    /// Queue that is consumed, with its limits.
    pub subscription: &'a Subscription,
    /// Ends it.
    pub shutdown: &'a Shutdown,
    /// Sends what is tried again or dead.
    pub publisher: &'a Publisher<P>,
    /// Name of this process, for the history of a message.
    pub by: &'a str,
}

impl<P: Post> Handling<'_, P> {
    /// Handles `delivery`: asks `handler` for a verdict, unless too much was tried before, carries out what the policy makes of it,
    /// and acknowledges.
    pub async fn handle<H>(
        &self,
        deliverer: &impl Deliverer,
        delivery: Delivery,
        handler: &H,
    ) -> Result<(), Lost>
    where
        H: AsyncFn(Delivery) -> Verdict,
    {
        let queue = self.subscription.queue.as_str();
        let started = Instant::now();
        // Dead letters are tried until they are kept: there is nothing behind their queue.
        let refused = if queue == topology::DEAD { None } else { policy::before(&delivery.past, Utc::now()) };
        let (outcome, action) = match refused {
            Some(action) => ("exhausted", action),
            // Boxed, so that a service's handler does not grow the type of everything above it.
            None => match Box::pin(self.attempt(deliverer, &delivery, handler)).await? {
                Some(verdict) => {
                    (outcome(&verdict), policy::after(&verdict, &delivery.past, self.by, Utc::now()))
                }
                None => ("given back", policy::given_back(&delivery.past, Utc::now())),
            },
        };
        self.subscription.surroundings.back(queue);
        metrics::histogram!("throughline_message_seconds", "queue" => queue.to_owned(), "outcome" => outcome)
            .record(started.elapsed().as_secs_f64());
        if queue == topology::DEAD && action != Action::Acknowledge {
            return self.keep_on_the_queue(deliverer).await;
        }
        self.carry_out(deliverer, &delivery, action).await?;
        points::reach(Place::BeforeAck, queue).await;
        deliverer.acknowledge().await?;
        points::reach(Place::AfterAck, queue).await;
        Ok(())
    }

    /// A dead letter that could not be kept stays where it is, with all that it says: there is no queue behind its own.
    async fn keep_on_the_queue(&self, deliverer: &impl Deliverer) -> Result<(), Lost> {
        tracing::error!("a dead letter could not be kept; will be tried again");
        tokio::select! {
            () = tokio::time::sleep(DEAD_WAIT) => {}
            () = self.shutdown.asked() => {}
        }
        Ok(deliverer.take_back().await?)
    }

    /// One attempt: the handler's verdict, or `None` when it must be given back. While what the work needs is away, the message
    /// is held and tried again; others of its queue would fare no better. While the broker takes nothing, it is held for as long as that
    /// lasts: it could not be sent back to wait its turn either.
    async fn attempt<H>(
        &self,
        deliverer: &impl Deliverer,
        delivery: &Delivery,
        handler: &H,
    ) -> Result<Option<Verdict>, Lost>
    where
        H: AsyncFn(Delivery) -> Verdict,
    {
        let Subscription { queue, budget, surroundings, .. } = self.subscription;
        let held = Instant::now();
        let mut backoff = Backoff::default();
        let mut told = String::new();
        loop {
            let working = tokio::time::timeout(budget.job(), handler(delivery.clone()));
            let verdict = tokio::select! {
                biased;
                verdict = working => verdict.unwrap_or_else(|_| {
                    Verdict::Retry(format!("it took longer than {} s", budget.job().as_secs()))
                }),
                () = self.shutdown.due() => return Ok(None),
            };
            let blocked = self.publisher.blocked().is_some();
            match verdict {
                Verdict::Wait(why) if blocked || held.elapsed() < HOLD => {
                    if told != why {
                        tracing::warn!(queue, %why, "waiting; no attempt is counted");
                        told.clone_from(&why);
                    }
                    surroundings.away(queue, &why);
                    points::reach(Place::Waiting, queue).await;
                    if !deliverer.waits() {
                        surroundings.back(queue);
                        return Err(Lost::TakenBack);
                    }
                    let goes_on =
                        if blocked { self.unblocked().await } else { backoff.wait(self.shutdown).await };
                    if !goes_on {
                        return Ok(None);
                    }
                }
                Verdict::Later(why) => {
                    tracing::info!(queue, %why, "others go first; no attempt is counted");
                    return Ok(Some(Verdict::Later(why)));
                }
                verdict => return Ok(Some(verdict)),
            }
        }
    }

    /// Waits until the broker takes something again, or for a while; false when what is in hand has had its time.
    async fn unblocked(&self) -> bool {
        tokio::select! {
            () = self.publisher.until_open() => true,
            () = tokio::time::sleep(LOOK_EVERY) => true,
            () = self.shutdown.due() => false,
        }
    }

    /// Does what `action` says. What the broker does not take is kept until it does, unless it has taken the message back by then.
    async fn carry_out(
        &self,
        deliverer: &impl Deliverer,
        delivery: &Delivery,
        action: Action,
    ) -> Result<(), Lost> {
        let Subscription { queue, surroundings, .. } = self.subscription;
        loop {
            match self.try_carry_out(delivery, &action).await {
                Err(PublishError::Blocked(why)) if deliverer.waits() => {
                    surroundings.away(queue, &why);
                    let goes_on = self.unblocked().await;
                    surroundings.back(queue);
                    if !goes_on {
                        return Err(PublishError::Blocked(why).into());
                    }
                }
                done => return Ok(done?),
            }
        }
    }

    async fn try_carry_out(&self, delivery: &Delivery, action: &Action) -> Result<(), PublishError> {
        let queue = self.subscription.queue.as_str();
        let attempt = delivery.past.attempts() + 1;
        let envelope = |history| Envelope {
            kind: &delivery.kind,
            body: &delivery.body,
            trace: &delivery.trace,
            history,
        };
        match action {
            Action::Acknowledge => Ok(()),
            Action::SendAgain { wait, history } => {
                let why = history.attempts().last().map_or("", |last| last.reason.as_str());
                tracing::warn!(queue, attempt, why, ?wait, "will be tried again");
                self.publisher.send_again(queue, *wait, envelope(history)).await
            }
            Action::Bury { reason, history } => {
                tracing::error!(queue, attempt, reason, "dead-lettered");
                self.publisher.bury(queue, reason, envelope(history)).await
            }
        }
    }
}

fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Retry(_) => "retry",
        Verdict::Wait(_) => "wait",
        Verdict::Later(_) => "later",
        Verdict::Reject(_) => "reject",
    }
}
