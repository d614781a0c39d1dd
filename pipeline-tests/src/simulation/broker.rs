//! Broker: what RabbitMQ promises, in memory, on a clock that the simulation moves.
//!
//! Quorum queues with a delivery limit and at-least-once dead-lettering; wait queues whose messages expire at the head alone; a message
//! is gone once it is acknowledged, and comes back, counted, when whoever holds it is gone. Connections break, the whole loses all.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString};
use matcher::backlog::Backlog;
use matcher::epoch::Markable;
use service_kit::delivery::{DEATHS, DELIVERY_COUNT, DELIVERY_LIMIT};
use service_kit::handling::Deliverer;
use service_kit::policy;
use service_kit::publisher::{Post, PublishError};
use service_kit::topology::{ATTEMPTS, DEAD, wait_queue};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// Names a delivery that nobody has acknowledged.
pub type Tag = u64;

/// A message on a queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// Properties, headers among them, as they were published.
    pub properties: BasicProperties,
    /// Body.
    pub body: Vec<u8>,
    /// Deliveries that left no word.
    lost: i64,
}

impl Message {
    /// AMQP type property.
    pub fn kind(&self) -> String {
        self.properties.kind().as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// A message that waits.
#[derive(Clone, Debug)]
struct Waiting {
    until: Duration,
    queue: String,
    message: Message,
}

#[derive(Debug, Default)]
struct State {
    up: bool,
    now: Duration,
    queues: BTreeMap<String, VecDeque<Message>>,
    waits: BTreeMap<usize, VecDeque<Waiting>>,
    held: BTreeMap<Tag, (String, Message)>,
    marks: BTreeSet<String>,
    last_tag: Tag,
    refuse: u32,
    lose_confirms: u32,
    taken: Vec<(String, Message)>,
}

/// The simulated broker. Clones share it.
#[derive(Clone, Debug)]
pub struct Broker(Rc<RefCell<State>>);

fn broken() -> lapin::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection is broken").into()
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

/// `message` as it leaves `queue` for `reason`: the newest line of its deaths says so.
fn died(mut message: Message, queue: &str, reason: &str) -> Message {
    let mut headers = message.properties.headers().clone().unwrap_or_default();
    let mut line = FieldTable::default();
    line.insert("queue".into(), text(queue));
    line.insert("reason".into(), text(reason));
    let mut deaths = FieldArray::default();
    deaths.push(AMQPValue::FieldTable(line));
    if let Some(AMQPValue::FieldArray(before)) = headers.inner().get(DEATHS) {
        before.as_slice().iter().for_each(|line| deaths.push(line.clone()));
    }
    headers.insert(DEATHS.into(), AMQPValue::FieldArray(deaths));
    message.properties = message.properties.with_headers(headers);
    message.lost = 0;
    message
}

impl Default for Broker {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(State { up: true, ..State::default() })))
    }
}

impl Broker {
    /// Every message that is ready, queue by queue.
    fn ready(&self) -> Vec<(String, usize)> {
        let state = self.0.borrow();
        let ready =
            state.queues.iter().flat_map(|(queue, messages)| (0..messages.len()).map(move |i| (queue, i)));
        if state.up { ready.map(|(queue, index)| (queue.clone(), index)).collect() } else { Vec::new() }
    }

    fn picked(&self, pick: usize) -> Option<(String, usize)> {
        let ready = self.ready();
        (!ready.is_empty()).then(|| ready[pick % ready.len()].clone())
    }

    /// Delivers the ready message number `pick`: its tag, its queue, and the message as a consumer sees it.
    pub fn deliver(&self, pick: usize) -> Option<(Tag, String, Message)> {
        let (queue, index) = self.picked(pick)?;
        let mut state = self.0.borrow_mut();
        let message = state.queues.get_mut(&queue)?.remove(index)?;
        state.last_tag += 1;
        let tag = state.last_tag;
        let mut seen = message.clone();
        if message.lost > 0 {
            let mut headers = seen.properties.headers().clone().unwrap_or_default();
            headers.insert(DELIVERY_COUNT.into(), AMQPValue::LongLongInt(message.lost));
            seen.properties = seen.properties.with_headers(headers);
        }
        state.held.insert(tag, (queue.clone(), message));
        Some((tag, queue, seen))
    }

    /// Puts the ready message number `pick` on its queue once more, and returns it.
    pub fn duplicate(&self, pick: usize) -> Option<Message> {
        let (queue, index) = self.picked(pick)?;
        let mut state = self.0.borrow_mut();
        let messages = state.queues.get_mut(&queue)?;
        let twin = Message { lost: 0, ..messages[index].clone() };
        messages.push_back(twin.clone());
        Some(twin)
    }

    /// Loses the ready message number `pick`.
    pub fn lose(&self, pick: usize) -> bool {
        let Some((queue, index)) = self.picked(pick) else { return false };
        self.0.borrow_mut().queues.get_mut(&queue).and_then(|messages| messages.remove(index)).is_some()
    }

    /// Whoever held `tag` is gone: the message comes back, counted, until its limit is reached. Nothing where it was acknowledged.
    pub fn gone(&self, tag: Tag) -> bool {
        let mut state = self.0.borrow_mut();
        let Some((queue, mut message)) = state.held.remove(&tag) else { return false };
        message.lost += 1;
        if queue != DEAD && message.lost > ATTEMPTS - 1 {
            let dead = died(message, &queue, DELIVERY_LIMIT);
            state.queues.entry(DEAD.to_owned()).or_default().push_back(dead);
        } else {
            state.queues.entry(queue).or_default().push_front(message);
        }
        true
    }

    /// Breaks every connection. Returns what was held.
    pub fn cut(&self) -> Vec<Tag> {
        let held: Vec<Tag> = self.0.borrow().held.keys().copied().collect();
        held.iter().for_each(|&tag| {
            self.gone(tag);
        });
        held
    }

    /// Goes away, or comes back.
    pub fn set_up(&self, up: bool) {
        self.0.borrow_mut().up = up;
    }

    /// True while it is there.
    pub fn is_up(&self) -> bool {
        self.0.borrow().up
    }

    /// Loses everything.
    pub fn wipe(&self) {
        let mut state = self.0.borrow_mut();
        state.queues.clear();
        state.waits.clear();
        state.held.clear();
        state.marks.clear();
    }

    /// Does not take the next message.
    pub fn refuse_next(&self) {
        self.0.borrow_mut().refuse += 1;
    }

    /// Takes the next message and does not say so.
    pub fn lose_next_confirm(&self) {
        self.0.borrow_mut().lose_confirms += 1;
    }

    /// Takes the messages that were put on queues since the last call, waits included.
    pub fn taken(&self) -> Vec<(String, Message)> {
        std::mem::take(&mut self.0.borrow_mut().taken)
    }

    /// Lets time pass; what has waited long enough goes to where it came from.
    pub fn pass(&self, time: Duration) {
        let mut state = self.0.borrow_mut();
        state.now += time;
        let now = state.now;
        let mut expired = Vec::new();
        for (wait, waiting) in &mut state.waits {
            // A quorum queue looks at its head alone.
            while waiting.front().is_some_and(|head| head.until <= now) {
                expired.extend(waiting.pop_front().map(|head| (*wait, head)));
            }
        }
        for (wait, Waiting { queue, message, .. }) in expired {
            let message = died(message, &wait_queue(wait), "expired");
            state.queues.entry(queue).or_default().push_back(message);
        }
    }

    /// Time until the next waiting message is due; `None` where nothing waits.
    pub fn next_due(&self) -> Option<Duration> {
        let state = self.0.borrow();
        let heads = state.waits.values().filter_map(|waiting| waiting.front().map(|head| head.until));
        heads.min().map(|until| until.saturating_sub(state.now))
    }

    /// Number of messages that are ready, held or waiting.
    pub fn messages(&self) -> usize {
        let state = self.0.borrow();
        state.queues.values().map(VecDeque::len).sum::<usize>()
            + state.waits.values().map(VecDeque::len).sum::<usize>()
            + state.held.len()
    }
}

impl Post for Broker {
    async fn post(
        &self,
        queue: &str,
        wait: Option<usize>,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), PublishError> {
        let mut state = self.0.borrow_mut();
        if !state.up {
            return Err(broken().into());
        }
        if state.refuse > 0 {
            state.refuse -= 1;
            return Err(PublishError::NotConfirmed(queue.to_owned()));
        }
        let message = Message { properties, body: body.to_vec(), lost: 0 };
        state.taken.push((queue.to_owned(), message.clone()));
        match wait {
            None => state.queues.entry(queue.to_owned()).or_default().push_back(message),
            Some(wait) => {
                let jitter = f64::from(body.iter().map(|&b| u32::from(b)).sum::<u32>() % 16) / 16.0;
                let until = state.now + policy::jittered(wait, jitter);
                let waiting = Waiting { until, queue: queue.to_owned(), message };
                state.waits.entry(wait).or_default().push_back(waiting);
            }
        }
        if state.lose_confirms > 0 {
            state.lose_confirms -= 1;
            return Err(PublishError::NotConfirmed(queue.to_owned()));
        }
        Ok(())
    }
}

impl Backlog for Broker {
    async fn is_drained(&self, queue: &str) -> Option<bool> {
        let state = self.0.borrow();
        state.up.then(|| state.queues.get(queue).is_none_or(VecDeque::is_empty))
    }
}

impl Markable for Broker {
    async fn is_marked(&self, name: &str) -> lapin::Result<bool> {
        let state = self.0.borrow();
        if state.up { Ok(state.marks.contains(name)) } else { Err(broken()) }
    }

    async fn mark(&self, name: &str) -> lapin::Result<()> {
        let mut state = self.0.borrow_mut();
        if !state.up {
            return Err(broken());
        }
        state.marks.insert(name.to_owned());
        Ok(())
    }

    async fn unmark(&self, name: &str) -> lapin::Result<()> {
        let mut state = self.0.borrow_mut();
        if !state.up {
            return Err(broken());
        }
        state.marks.remove(name);
        Ok(())
    }
}

/// A delivery in somebody's hands.
pub struct Held {
    /// The broker.
    pub broker: Broker,
    /// Tag of the delivery.
    pub tag: Tag,
}

impl Deliverer for Held {
    async fn acknowledge(&self) -> lapin::Result<()> {
        let mut state = self.broker.0.borrow_mut();
        if state.up && state.held.remove(&self.tag).is_some() { Ok(()) } else { Err(broken()) }
    }

    async fn take_back(&self) -> lapin::Result<()> {
        if self.broker.is_up() && self.broker.gone(self.tag) { Ok(()) } else { Err(broken()) }
    }
}
