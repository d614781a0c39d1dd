//! Delivery: a message as a handler sees it.

use crate::attempts::History;
use crate::messages::{self, Message};
use crate::policy::Past;
use crate::publisher::{ATTEMPTS_HEADER, QUEUE_HEADER, REASON_HEADER};
use crate::telemetry;
use crate::verdict::Verdict;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use std::collections::BTreeMap;

/// Header in which brokers from 4.3 on count the deliveries of a message before this one, however each ended.
pub const ACQUIRED_COUNT: &str = "x-acquired-count";
/// Header in which a broker counts the deliveries of a message that left no word: before 4.3 all of them; from 4.3 on neither those
/// that its own time-out ended nor those that a partition of its cluster did.
pub const DELIVERY_COUNT: &str = "x-delivery-count";
/// Header in which a broker tells which queues a message has left, and why.
pub const DEATHS: &str = "x-death";
/// Reason that a broker writes where its own delivery limit ended a message.
pub const DELIVERY_LIMIT: &str = "delivery_limit";
/// Reason that a broker writes where a message left a queue on which it only waited.
const EXPIRED: &str = "expired";

/// A message as a handler sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// AMQP type property, empty if absent.
    pub kind: String,
    /// Body.
    pub body: Vec<u8>,
    /// Attempts before this delivery.
    pub past: Past,
    /// Trace context of the sender.
    pub trace: BTreeMap<String, String>,
    /// Queue and reason of its death, for a dead letter.
    pub death: Option<Death>,
}

/// Death of a message: the event that made it a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Queue it was on.
    pub queue: String,
    /// Reason: words of ours, or [`DELIVERY_LIMIT`] where the broker gave up on it.
    pub reason: String,
}

impl Delivery {
    /// The message in the body; the verdict to give where it is none.
    pub fn message<M: Message>(&self) -> Result<M, Verdict> {
        messages::decode(&self.kind, &self.body).map_err(|error| Verdict::Reject(error.to_string()))
    }

    /// Delivery of a message that came from a broker with these `properties` and this `body`.
    pub fn of(properties: &BasicProperties, body: &[u8]) -> Self {
        let headers = properties.headers().clone().unwrap_or_default();
        Self {
            kind: properties.kind().as_ref().map(ToString::to_string).unwrap_or_default(),
            body: body.to_vec(),
            past: past(&headers),
            trace: telemetry::trace_of(&headers),
            death: death(&headers),
        }
    }
}

fn text(headers: &FieldTable, key: &str) -> Option<String> {
    headers.inner().get(key).and_then(string)
}

fn past(headers: &FieldTable) -> Past {
    Past {
        history: text(headers, ATTEMPTS_HEADER).map(|text| History::from_header(&text)).unwrap_or_default(),
        lost: lost(headers),
    }
}

fn lost(headers: &FieldTable) -> i64 {
    let count = |header: &str| headers.inner().get(header).and_then(integer);
    count(ACQUIRED_COUNT).or_else(|| count(DELIVERY_COUNT)).unwrap_or(0)
}

/// Death that we wrote when we buried the message; otherwise the broker's, in the newest line of `x-death` that is no expiry.
fn death(headers: &FieldTable) -> Option<Death> {
    if let Some((queue, reason)) = text(headers, QUEUE_HEADER).zip(text(headers, REASON_HEADER)) {
        return Some(Death { queue, reason });
    }
    let AMQPValue::FieldArray(deaths) = headers.inner().get(DEATHS)? else { return None };
    deaths.as_slice().iter().find_map(|line| {
        let AMQPValue::FieldTable(line) = line else { return None };
        let (queue, reason) = text(line, "queue").zip(text(line, "reason"))?;
        (reason != EXPIRED).then_some(Death { queue, reason })
    })
}

fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(v) => Some(i64::from(*v)),
        AMQPValue::ShortShortUInt(v) => Some(i64::from(*v)),
        AMQPValue::ShortInt(v) => Some(i64::from(*v)),
        AMQPValue::ShortUInt(v) => Some(i64::from(*v)),
        AMQPValue::LongInt(v) => Some(i64::from(*v)),
        AMQPValue::LongUInt(v) => Some(i64::from(*v)),
        AMQPValue::LongLongInt(v) => Some(*v),
        _ => None,
    }
}

/// The text of a header value.
pub(crate) fn string(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{self, Action};
    use lapin::types::{FieldArray, LongString};

    fn words(text: &str) -> AMQPValue {
        AMQPValue::LongString(LongString::from(text))
    }

    fn table(pairs: &[(&str, AMQPValue)]) -> FieldTable {
        let mut table = FieldTable::default();
        for (key, value) in pairs {
            table.insert((*key).into(), value.clone());
        }
        table
    }

    fn line(queue: &str, reason: &str) -> AMQPValue {
        AMQPValue::FieldTable(table(&[("queue", words(queue)), ("reason", words(reason))]))
    }

    #[test]
    fn counts_are_read_whatever_width_the_broker_sends() {
        assert_eq!(integer(&AMQPValue::LongInt(4)), Some(4));
        assert_eq!(integer(&AMQPValue::ShortShortUInt(4)), Some(4));
        assert_eq!(integer(&AMQPValue::Boolean(true)), None);
    }

    #[test]
    fn every_delivery_counts_whichever_of_its_counts_a_broker_raises() {
        let long = AMQPValue::LongLongInt;
        assert_eq!(lost(&table(&[])), 0);
        // 3.10 to 4.2: one count, of all.
        assert_eq!(lost(&table(&[("x-delivery-count", long(3))])), 3);
        // From 4.3 on, after two lost connections and two time-outs of the broker.
        assert_eq!(lost(&table(&[("x-delivery-count", long(2)), ("x-acquired-count", long(4))])), 4);
        // After time-outs alone there is no other count.
        assert_eq!(lost(&table(&[("x-acquired-count", long(5))])), 5);
    }

    #[test]
    fn five_time_outs_of_a_broker_that_does_not_limit_them_bury_a_message() {
        let now = chrono::DateTime::UNIX_EPOCH;
        let taken = |times| Past {
            lost: lost(&table(&[("x-acquired-count", AMQPValue::LongLongInt(times))])),
            ..Past::default()
        };
        assert_eq!(policy::before(&taken(4), now), None);
        assert!(matches!(policy::before(&taken(5), now), Some(Action::Bury { .. })));
    }

    #[test]
    fn a_message_that_only_waited_is_no_dead_letter() {
        let mut deaths = FieldArray::default();
        deaths.push(line("throughline.wait.1s", "expired"));
        assert_eq!(death(&table(&[("x-death", AMQPValue::FieldArray(deaths.clone()))])), None);
        let mut died = FieldArray::default();
        died.push(line("throughline.match", DELIVERY_LIMIT));
        died.push(line("throughline.wait.1s", "expired"));
        let found = death(&table(&[("x-death", AMQPValue::FieldArray(died))])).expect("it died");
        assert_eq!((found.queue.as_str(), found.reason.as_str()), ("throughline.match", DELIVERY_LIMIT));
    }

    #[test]
    fn a_dead_letter_of_ours_says_where_it_was_and_why_it_died() {
        let buried = table(&[(QUEUE_HEADER, words("q")), (REASON_HEADER, words("rubbish"))]);
        assert_eq!(death(&buried), Some(Death { queue: "q".into(), reason: "rubbish".into() }));
    }
}
