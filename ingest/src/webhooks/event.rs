//! Event: what a webhook is told.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A type of events that a webhook can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
pub(crate) enum EventType {
    /// It is completed, maybe with gaps.
    #[serde(rename = "recording.completed")]
    Completed,
    #[serde(rename = "recording.failed")]
    Failed,
    #[serde(rename = "recording.cancelled")]
    Cancelled,
    #[serde(rename = "recording.deleted")]
    Deleted,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Completed, Self::Failed, Self::Cancelled, Self::Deleted];

    /// As the database and the events name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "recording.completed",
            Self::Failed => "recording.failed",
            Self::Cancelled => "recording.cancelled",
            Self::Deleted => "recording.deleted",
        }
    }
}

/// The type of an event that is sent on request, to try a webhook.
pub(crate) const PING: &str = "webhook.ping";

/// The body of a request to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Event {
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "recording.completed")]
    pub kind: String,
    /// When it happened, RFC 3339.
    pub timestamp: String,
    /// What it is about.
    pub data: About,
}

/// The recording that an event is about; all null in a ping.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct About {
    /// Id of the recording.
    pub recording: Option<Uuid>,
    /// The state that it came into.
    pub state: Option<String>,
    /// Its title; null once it is deleted.
    pub title: Option<String>,
    /// Which run of it this was.
    pub run: Option<i32>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

impl Event {
    /// The body, the same text whenever the same event is sent.
    pub fn body(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// A time as events give it.
pub(crate) fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_by_the_names_that_they_are_sent_with() {
        for kind in EventType::ALL {
            let read: EventType = serde_json::from_value(kind.name().into()).expect("is one");
            assert_eq!(read, kind);
        }
    }

    #[test]
    fn a_body_has_a_type_a_time_and_what_it_is_about() {
        let event = Event {
            kind: "recording.failed".to_owned(),
            timestamp: timestamp(DateTime::from_timestamp(1_800_000_000, 5000).expect("a time")),
            data: About {
                recording: Some(Uuid::from_u128(7)),
                state: Some("failed".to_owned()),
                title: Some("A \"talk\"".to_owned()),
                run: Some(2),
                failure: Some("not audio".to_owned()),
            },
        };
        let body = r#"{"type":"recording.failed","timestamp":"2027-01-15T08:00:00.000005Z","data":{"recording":"00000000-0000-0000-0000-000000000007","state":"failed","title":"A \"talk\"","run":2,"failure":"not audio"}}"#;
        assert_eq!(event.body().expect("is JSON"), body);
    }
}
