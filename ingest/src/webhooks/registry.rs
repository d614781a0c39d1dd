//! Registry: which webhooks there are, and what was sent to them.

use super::event::PING;
use super::signature::Secret;
use crate::context::Context;
use chrono::{DateTime, Utc};
use serde::Serialize;
use service_kit::transaction;
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;

/// Most webhooks there can be: every event is noted for each.
pub(crate) const MOST: i64 = 100;
/// Most pings of one that are still to be sent.
pub(crate) const MOST_PINGS: i64 = 10;

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Webhook {
    pub id: Uuid,
    /// Where events are sent.
    pub url: String,
    /// Types of events that are sent.
    pub events: Vec<String>,
    pub created_at: DateTime<Utc>,
    /// When its receiver said that it is gone (410); nothing is sent from then on. Null of one that works.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// An event on its way to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Delivery {
    pub number: i64,
    /// The header `webhook-id`, the same in every attempt.
    pub message: String,
    /// Type of the event.
    pub event: String,
    /// The recording that it is about; null of a ping.
    pub recording: Option<Uuid>,
    pub state: DeliveryState,
    pub created_at: DateTime<Utc>,
    /// Attempts that have begun.
    pub tries: i32,
    /// When it is tried next; null when that is over.
    pub next_try_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    /// Status of the last answer; null where there was none.
    pub last_status: Option<i32>,
    /// Why the last attempt failed; null where it did not.
    pub last_error: Option<String>,
}

/// How far an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryState {
    /// It will be tried, or is being tried.
    Pending,
    /// The receiver took it.
    Delivered,
    /// The receiver did not take it for a day, or said that it is gone.
    GivenUp,
}

/// The header `webhook-id` of a message.
pub(crate) fn message_id(message: Uuid) -> String {
    format!("msg_{}", message.simple())
}

/// Adds a webhook; `None` where there are as many as there can be.
pub(crate) async fn create(
    context: &Context,
    url: &str,
    events: &[String],
    secret: &Secret,
) -> Result<Option<Webhook>, sqlx::Error> {
    let id = Uuid::now_v7();
    transaction::run(&context.pool, "create webhook", &context.shutdown, async |transaction| {
        // A commit whose answer was lost is tried again. Two at once may both find room for one.
        let row = sqlx::query_as!(
            Webhook,
            "INSERT INTO webhooks (id, url, events, secret)
             SELECT $1, $2, $3, $4
             WHERE (SELECT count(*) FROM webhooks WHERE id <> $1) < $5
             ON CONFLICT (id) DO UPDATE SET url = excluded.url
             RETURNING id, url, events, created_at, disabled_at",
            id,
            url,
            events,
            secret.bytes(),
            MOST
        );
        row.fetch_optional(&mut **transaction).await
    })
    .await
}

/// All webhooks, newest first.
pub(crate) async fn list(pool: &PgPool) -> Result<Vec<Webhook>, sqlx::Error> {
    sqlx::query_as!(
        Webhook,
        "SELECT id, url, events, created_at, disabled_at FROM webhooks ORDER BY id DESC LIMIT $1",
        // Two that were created at once may be one too many.
        2 * MOST
    )
    .fetch_all(pool)
    .await
}

/// One webhook.
pub(crate) async fn find(pool: &PgPool, id: Uuid) -> Result<Option<Webhook>, sqlx::Error> {
    let row = sqlx::query_as!(
        Webhook,
        "SELECT id, url, events, created_at, disabled_at FROM webhooks WHERE id = $1",
        id
    );
    row.fetch_optional(pool).await
}

/// Deletes a webhook with what is still to be sent to it; false where there is none.
pub(crate) async fn delete(pool: &PgPool, id: Uuid) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!("DELETE FROM webhooks WHERE id = $1", id).execute(pool).await?;
    Ok(deleted.rows_affected() == 1)
}

/// Counts the pings of a webhook that are still to be sent, or tried again.
pub(crate) async fn pings(pool: &PgPool, id: Uuid) -> Result<i64, sqlx::Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM webhook_deliveries WHERE webhook_id = $1 AND due_at IS NOT NULL AND event = $2"#,
        id,
        PING
    );
    count.fetch_one(pool).await
}

/// Notes a ping for a webhook that works; its number, or `None` where there is no such webhook.
pub(crate) async fn ping(pool: &PgPool, id: Uuid) -> Result<Option<i64>, sqlx::Error> {
    let number = sqlx::query_scalar!(
        "INSERT INTO webhook_deliveries (webhook_id, event) SELECT id, $2 FROM webhooks WHERE id = $1 AND disabled_at IS NULL
         RETURNING number",
        id,
        PING
    );
    number.fetch_optional(pool).await
}

/// Up to `limit` deliveries of a webhook, newest first, with numbers below `before`.
pub(crate) async fn deliveries(
    pool: &PgPool,
    webhook: Uuid,
    limit: i64,
    before: Option<i64>,
) -> Result<Vec<Delivery>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT number, message, event, recording_id, created_at, due_at, tries, delivered_at, given_up_at, last_status, last_error
         FROM webhook_deliveries WHERE webhook_id = $1 AND ($2::bigint IS NULL OR number < $2)
         ORDER BY number DESC LIMIT $3",
        webhook,
        before,
        limit
    )
    .fetch_all(pool)
    .await?;
    let shown = rows.into_iter().map(|row| Delivery {
        number: row.number,
        message: message_id(row.message),
        event: row.event,
        recording: row.recording_id,
        state: match (row.delivered_at, row.given_up_at) {
            (Some(_), _) => DeliveryState::Delivered,
            (None, Some(_)) => DeliveryState::GivenUp,
            (None, None) => DeliveryState::Pending,
        },
        created_at: row.created_at,
        tries: row.tries,
        next_try_at: row.due_at,
        delivered_at: row.delivered_at,
        last_status: row.last_status,
        last_error: row.last_error,
    });
    Ok(shown.collect())
}
