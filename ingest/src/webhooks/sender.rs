//! Sender: sends what is noted for webhooks.
//!
//! Every ingest process sends. One that takes an event in hand moves its time to when another may take it for lost, so an event may
//! be sent twice (a crash between the answer and its commit), never not at all.

use super::address::{self, Resolver};
use super::event::{About, Event, timestamp};
use super::registry::message_id;
use super::schedule;
use super::signature::Secret;
use crate::context::Context;
use crate::thread;
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use reqwest::{Client, StatusCode, header};
use service_kit::broker::Backoff;
use service_kit::transaction;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Longest wait until an event is seen.
const POLL: Duration = Duration::from_millis(500);
/// Longest wait for a receiver's answer, the connection included, and for the connection alone.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(15);
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// After how many seconds an event in hand is taken for lost.
pub(crate) const LEASE: f64 = 60.0;
/// Events in hand at once, and of one webhook: one that does not answer must not hold up the others.
const AT_ONCE: usize = 32;
const OF_ONE: usize = 4;
/// Longest time for requests in hand when the service is stopped.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// Time between two rounds in which waiting events are counted and finished ones deleted.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// Days that what was delivered or given up can be looked at.
const KEPT_DAYS: i32 = 7;
/// Longest reason that is kept, in characters.
const LONGEST_REASON: usize = 300;

/// Sends until shutdown.
pub(crate) async fn run(context: Arc<Context>) -> anyhow::Result<()> {
    let mut client: Option<Client> = None;
    let mut backoff = Backoff::default();
    // Each goes on by itself while this waits for the database.
    let mut in_hand = JoinSet::new();
    let mut by_webhook: HashMap<Uuid, usize> = HashMap::new();
    let mut tidied: Option<Instant> = None;
    while !context.shutdown.is_asked() {
        if tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
            tidied = Some(Instant::now());
            if let Err(error) = tidy(&context).await {
                tracing::warn!(%error, "what is to be sent to webhooks could not be counted");
            }
        }
        let ready = match &client {
            Some(client) => client.clone(),
            None => match connectable(context.webhook_allow_private) {
                Ok(new) => client.insert(new).clone(),
                Err(error) => {
                    tracing::error!(
                        error = reason(&error),
                        "nothing can be sent to webhooks; will be tried again"
                    );
                    backoff.wait(&context.shutdown).await;
                    continue;
                }
            },
        };
        match claim(&context, AT_ONCE - in_hand.len(), &by_webhook).await {
            Ok(claimed) => {
                backoff = Backoff::default();
                for delivery in claimed {
                    *by_webhook.entry(delivery.webhook).or_default() += 1;
                    in_hand.spawn(deliver(context.clone(), ready.clone(), delivery));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "what is to be sent to webhooks cannot be read; will be tried again");
                backoff.wait(&context.shutdown).await;
            }
        }
        let poll = tokio::time::sleep(POLL);
        tokio::pin!(poll);
        // As many as end before it is time to look again.
        loop {
            tokio::select! {
                Some(ended) = in_hand.join_next() => {
                    let webhook = ended.context("an event was not sent to its end")?;
                    if let Some(count) = by_webhook.get_mut(&webhook) {
                        *count -= 1;
                        if *count == 0 {
                            by_webhook.remove(&webhook);
                        }
                    }
                }
                () = &mut poll => break,
                () = context.shutdown.asked() => break,
            }
        }
    }
    // What is not finished by then is sent again, by another.
    let rest = async { while in_hand.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FINISH_WITHIN, rest).await;
    Ok(())
}

/// A client that connects to nothing but what may be connected to: names are resolved by [`Resolver`], nothing is followed, and no
/// proxy of the surroundings is asked.
fn connectable(allow_private: bool) -> reqwest::Result<Client> {
    Client::builder()
        .dns_resolver(Arc::new(Resolver { allow_private }))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("Throughline/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// An event in hand.
struct Claimed {
    number: i64,
    webhook: Uuid,
    url: String,
    secret: Secret,
    message: String,
    event: Event,
    tries: u32,
    created_at: DateTime<Utc>,
}

/// Takes up to `most` events in hand that are due, up to [`OF_ONE`] of a webhook with those that `in_hand` counts; whose, is left to
/// chance where more are due, so that no webhook waits for others.
async fn claim(
    context: &Context,
    most: usize,
    in_hand: &HashMap<Uuid, usize>,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let (busy, counts): (Vec<Uuid>, Vec<i64>) =
        in_hand.iter().map(|(webhook, count)| (*webhook, *count as i64)).unzip();
    let rows = transaction::run(&context.pool, "claim webhook events", &context.shutdown, async |transaction| {
        sqlx::query!(
            r#"UPDATE webhook_deliveries d SET tries = d.tries + 1, due_at = now() + make_interval(secs => $1)
               FROM webhooks w
               WHERE w.id = d.webhook_id AND d.number IN (
                   SELECT due.number FROM webhooks
                   LEFT JOIN UNNEST($3::uuid[], $4::bigint[]) AS busy (id, count) ON busy.id = webhooks.id
                   CROSS JOIN LATERAL (
                       SELECT number FROM webhook_deliveries
                       WHERE webhook_id = webhooks.id AND due_at <= now()
                       ORDER BY due_at LIMIT greatest($2 - coalesce(busy.count, 0), 0) FOR UPDATE SKIP LOCKED) AS due
                   ORDER BY random() LIMIT $5)
               RETURNING d.number, w.id AS webhook, w.url, w.secret, d.message, d.event, d.recording_id, d.state, d.title, d.run,
                         d.failure, d.tries, d.created_at"#,
            LEASE,
            OF_ONE as i64,
            &busy,
            &counts,
            most as i64
        )
        .fetch_all(&mut **transaction)
        .await
    })
    .await?;
    let claimed = rows.into_iter().map(|row| Claimed {
        number: row.number,
        webhook: row.webhook,
        url: row.url,
        secret: row.secret.into(),
        message: message_id(row.message),
        event: Event {
            kind: row.event,
            timestamp: timestamp(row.created_at),
            data: About {
                recording: row.recording_id,
                state: row.state,
                title: row.title,
                run: row.run,
                failure: row.failure,
            },
        },
        tries: row.tries as u32,
        created_at: row.created_at,
    });
    Ok(claimed.collect())
}

/// Outcome of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Taken(u16),
    /// The receiver is gone and wants nothing more.
    Gone(u16),
    NotTaken(Option<u16>, String),
}

/// Sends an event and notes what came of it; returns its webhook.
async fn deliver(context: Arc<Context>, client: Client, delivery: Claimed) -> Uuid {
    let started = Instant::now();
    let outcome = attempt(&context, &client, &delivery).await;
    metrics::histogram!("throughline_webhook_seconds").record(started.elapsed().as_secs_f64());
    let (webhook, number) = (delivery.webhook, delivery.number);
    let noted = thread::on_its_own(async move || note(&context, &delivery, &outcome).await).await;
    let error = match noted {
        Ok(Ok(())) => return webhook,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(%webhook, number, error, "what came of a webhook's event could not be noted; it will be sent again");
    webhook
}

async fn attempt(context: &Context, client: &Client, delivery: &Claimed) -> Outcome {
    // Settings may have changed since it was created, and what stands in the url is not resolved.
    let url = match address::read(&delivery.url, context.webhook_allow_private) {
        Ok(url) => url,
        Err(error) => return Outcome::NotTaken(None, error.to_string()),
    };
    let body = match delivery.event.body() {
        Ok(body) => body,
        Err(error) => return Outcome::NotTaken(None, error.to_string()),
    };
    let now = Utc::now().timestamp();
    let signature = delivery.secret.sign(&delivery.message, now, &body);
    let request = client
        .post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header("webhook-id", &delivery.message)
        .header("webhook-timestamp", now)
        .header("webhook-signature", signature)
        .body(body);
    // The status says it all; the body is not read.
    match request.send().await.map(|response| response.status()) {
        Ok(status) if status.is_success() => Outcome::Taken(status.as_u16()),
        Ok(StatusCode::GONE) => Outcome::Gone(StatusCode::GONE.as_u16()),
        Ok(status) => {
            Outcome::NotTaken(Some(status.as_u16()), format!("the receiver answered {}", status.as_u16()))
        }
        Err(error) if error.is_timeout() => {
            Outcome::NotTaken(None, format!("no answer within {} s", ANSWER_WITHIN.as_secs()))
        }
        Err(error) => Outcome::NotTaken(None, reason(&error.without_url())),
    }
}

/// An error with its causes, of which the last says the most.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect()
}

async fn note(context: &Context, delivery: &Claimed, outcome: &Outcome) -> Result<(), sqlx::Error> {
    let (webhook, number, tries) = (delivery.webhook, delivery.number, delivery.tries);
    let (label, status, error) = match outcome {
        Outcome::Taken(status) => ("delivered", Some(*status), None),
        Outcome::Gone(status) => ("gone", Some(*status), Some("the receiver is gone")),
        Outcome::NotTaken(status, why) => ("failed", *status, Some(why.as_str())),
    };
    metrics::counter!("throughline_webhook_attempts_total", "outcome" => label).increment(1);
    let age = (Utc::now() - delivery.created_at).to_std().unwrap_or_default();
    let wait = match outcome {
        Outcome::NotTaken(..) => schedule::wait(tries, age, rand::random()),
        Outcome::Taken(_) | Outcome::Gone(_) => None,
    };
    let taken = matches!(outcome, Outcome::Taken(_));
    let gone = matches!(outcome, Outcome::Gone(_));
    transaction::run(&context.pool, "note webhook event", &context.shutdown, async |transaction| {
        // What another one has delivered since stays delivered.
        sqlx::query!(
            "UPDATE webhook_deliveries SET last_status = $2, last_error = $3,
                    due_at = now() + make_interval(secs => $4),
                    delivered_at = CASE WHEN $5 THEN now() END,
                    given_up_at = CASE WHEN NOT $5 AND $4::float8 IS NULL THEN now() END
             WHERE number = $1 AND due_at IS NOT NULL",
            number,
            status.map(i32::from),
            error,
            wait.map(|wait| wait.as_secs_f64()),
            taken,
        )
        .execute(&mut **transaction)
        .await?;
        if gone {
            sqlx::query!("UPDATE webhooks SET disabled_at = now() WHERE id = $1 AND disabled_at IS NULL", webhook)
                .execute(&mut **transaction)
                .await?;
            sqlx::query!(
                "UPDATE webhook_deliveries SET due_at = NULL, given_up_at = now(), last_error = 'the receiver is gone'
                 WHERE webhook_id = $1 AND due_at IS NOT NULL",
                webhook
            )
            .execute(&mut **transaction)
            .await?;
        }
        Ok(())
    })
    .await?;
    let (message, kind) = (&delivery.message, &delivery.event.kind);
    match (outcome, wait) {
        (Outcome::Taken(_), _) => tracing::info!(%webhook, message, kind, tries, "webhook event delivered"),
        (Outcome::Gone(_), _) => {
            tracing::warn!(%webhook, "the webhook's receiver is gone (410); nothing more is sent to it")
        }
        (Outcome::NotTaken(..), Some(wait)) => {
            tracing::info!(%webhook, message, kind, tries, error, ?wait, "webhook event not taken; will be sent again");
        }
        (Outcome::NotTaken(..), None) => {
            metrics::counter!("throughline_webhook_given_up_total").increment(1);
            tracing::warn!(%webhook, message, kind, tries, error, "webhook event given up");
        }
    }
    Ok(())
}

/// Counts what waits, and deletes what was over long ago.
async fn tidy(context: &Context) -> Result<(), sqlx::Error> {
    let waiting = sqlx::query!(
        r#"SELECT count(*) AS "events!", coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "oldest!"
           FROM webhook_deliveries WHERE due_at IS NOT NULL"#
    )
    .fetch_one(&context.pool)
    .await?;
    metrics::gauge!("throughline_webhook_pending_events").set(waiting.events as f64);
    metrics::gauge!("throughline_webhook_oldest_seconds").set(waiting.oldest);
    sqlx::query!(
        "DELETE FROM webhook_deliveries WHERE number IN (
             SELECT number FROM webhook_deliveries
             WHERE created_at < now() - make_interval(days => $1) AND due_at IS NULL
             LIMIT 1000 FOR UPDATE SKIP LOCKED)",
        KEPT_DAYS
    )
    .execute(&context.pool)
    .await?;
    Ok(())
}
