//! Webhooks: telling where events are to be sent, and seeing what came of it.

use super::json::Given;
use super::openapi::{Usual, problems};
use super::problem::{ApiError, Problem};
use super::query::{NoQuery, Query};
use super::shown::shown;
use crate::context::Context;
use crate::webhooks::address;
use crate::webhooks::event::EventType;
use crate::webhooks::registry::{self, Delivery, Webhook};
use crate::webhooks::signature::Secret;
use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{HeaderName, LOCATION};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::openapi::RefOr;
use utoipa::openapi::response::Response;
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

/// Deliveries in one answer, unless asked otherwise and at most.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;

/// The id in the address.
pub(crate) struct WebhookId(Uuid);

impl<S: Send + Sync> FromRequestParts<S> for WebhookId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text =
            Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        text.parse().map(Self).map_err(|_| ApiError::BadWebhookId(shown(&text)))
    }
}

/// Where events are to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWebhook {
    /// Begins with `https://`. Private and local addresses, and `http://`, are taken only where the service allows them.
    #[schema(example = "https://example.com/hook", max_length = 2048, format = "uri")]
    url: String,
    /// Types of events; all of them unless given.
    #[schema(min_items = 1)]
    events: Option<Vec<EventType>>,
}

/// A webhook with its secret, which is not shown again.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedWebhook {
    #[serde(flatten)]
    webhook: Webhook,
    /// Key of the signatures, in base64 behind `whsec_`, as libraries for Standard Webhooks take it.
    secret: String,
}

/// All webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookList {
    /// Newest first.
    webhooks: Vec<Webhook>,
}

/// A page of what was sent to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryList {
    /// Newest first.
    deliveries: Vec<Delivery>,
    /// What to give as `before` for the next page; null on the last.
    next: Option<i64>,
}

/// A ping that is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pinged {
    /// Number of the delivery.
    number: i64,
}

/// Problems that a call about one webhook can be answered with besides.
struct NoWebhook;

impl IntoResponses for NoWebhook {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[("404", "There is no such webhook")])
    }
}

/// Add a webhook
///
/// Events are sent as [Standard Webhooks](https://www.standardwebhooks.com) has it: a POST with a JSON body of `type`, `timestamp` and
/// `data`, signed with HMAC-SHA256, at least once, tried for 24 hours until the receiver answers with 2xx. The secret is shown in this
/// answer alone.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", request_body = NewWebhook,
    responses(
        (status = 201, description = "It is told from now on", body = CreatedWebhook,
         headers(("Location" = String, description = "Address of the webhook"))),
        (status = 409, description = "There are as many as there can be", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "JSON is wanted", body = Problem, content_type = "application/problem+json"),
        Usual
    )
)]
pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    NoQuery: NoQuery,
    Given(new): Given<NewWebhook>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<CreatedWebhook>), ApiError> {
    let new =
        new.ok_or_else(|| ApiError::Body("there is none; say where events are to be sent".to_owned()))?;
    let mut events = new.events.unwrap_or_else(|| EventType::ALL.to_vec());
    events.sort_unstable();
    events.dedup();
    if events.is_empty() {
        return Err(ApiError::NoWebhookEvents);
    }
    let events: Vec<String> = events.into_iter().map(|event| event.name().to_owned()).collect();
    let url = address::check(&new.url, context.webhook_allow_private).await?;
    let secret = Secret::random();
    let shown = secret.shown();
    let shared = context.clone();
    let created = context
        .changes
        .run_in_turn(async move || registry::create(&shared, url.as_str(), &events, &secret).await);
    let webhook = created.await??.ok_or(ApiError::TooManyWebhooks(registry::MOST))?;
    tracing::info!(webhook = %webhook.id, events = ?webhook.events, "webhook added");
    let location = format!("/v1/webhooks/{}", webhook.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(CreatedWebhook { webhook, secret: shown })))
}

/// List webhooks
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks",
    responses((status = 200, description = "All webhooks", body = WebhookList), Usual)
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    NoQuery: NoQuery,
) -> Result<Json<WebhookList>, ApiError> {
    Ok(Json(WebhookList { webhooks: registry::list(&context.reads).await? }))
}

/// Show a webhook
#[utoipa::path(
    get, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path, description = "Id of the webhook")),
    responses((status = 200, description = "The webhook", body = Webhook), NoWebhook, Usual)
)]
pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    WebhookId(id): WebhookId,
    NoQuery: NoQuery,
) -> Result<Json<Webhook>, ApiError> {
    Ok(Json(registry::find(&context.reads, id).await?.ok_or(ApiError::UnknownWebhook(id))?))
}

/// Delete a webhook
///
/// With what is still to be sent to it.
#[utoipa::path(
    delete, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path, description = "Id of the webhook")),
    responses((status = 204, description = "Nothing more is sent to it"), NoWebhook, Usual)
)]
pub(crate) async fn delete(
    State(context): State<Arc<Context>>,
    WebhookId(id): WebhookId,
    NoQuery: NoQuery,
) -> Result<StatusCode, ApiError> {
    if !registry::delete(&context.pool, id).await? {
        return Err(ApiError::UnknownWebhook(id));
    }
    tracing::info!(webhook = %id, "webhook deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Send a ping to a webhook
///
/// An event of the type `webhook.ping`, whatever types the webhook has asked for.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/ping", tag = "webhooks", params(("id" = Uuid, Path, description = "Id of the webhook")),
    responses(
        (status = 202, description = "It is on its way", body = Pinged,
         headers(("Location" = String, description = "Where to see what comes of it"))),
        (status = 409, description = "The webhook is disabled", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many pings are still to be sent", body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "Seconds to wait"))),
        NoWebhook, Usual
    )
)]
pub(crate) async fn ping(
    State(context): State<Arc<Context>>,
    WebhookId(id): WebhookId,
    NoQuery: NoQuery,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Pinged>), ApiError> {
    let webhook = registry::find(&context.reads, id).await?.ok_or(ApiError::UnknownWebhook(id))?;
    if webhook.disabled_at.is_some() {
        return Err(ApiError::WebhookDisabled(id));
    }
    let waiting = registry::pings(&context.reads, id).await?;
    if waiting >= registry::MOST_PINGS {
        return Err(ApiError::TooManyPings(waiting));
    }
    let number = registry::ping(&context.pool, id).await?.ok_or(ApiError::UnknownWebhook(id))?;
    let location = format!("/v1/webhooks/{id}/deliveries");
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(Pinged { number })))
}

/// List what was sent to a webhook, newest first
///
/// What is over is kept for a week.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(
        ("id" = Uuid, Path, description = "Id of the webhook"),
        ("limit" = Option<u32>, Query, maximum = 4294967295u32, description = "Deliveries in one answer: 50 unless asked otherwise, at most 500"),
        ("before" = Option<i64>, Query, description = "The `next` of the answer before")
    ),
    responses((status = 200, description = "A page of deliveries", body = DeliveryList), NoWebhook, Usual)
)]
pub(crate) async fn deliveries(
    State(context): State<Arc<Context>>,
    WebhookId(id): WebhookId,
    uri: Uri,
) -> Result<Json<DeliveryList>, ApiError> {
    let query = Query::read(&uri, &["limit", "before"])?;
    let limit = query.get("limit", "a whole number")?.unwrap_or(PAGE).clamp(1, LARGEST_PAGE) as usize;
    let before = query.get("before", "the `next` of an answer before, a number")?;
    registry::find(&context.reads, id).await?.ok_or(ApiError::UnknownWebhook(id))?;
    // One more than shown says whether there is a next page.
    let mut deliveries = registry::deliveries(&context.reads, id, limit as i64 + 1, before).await?;
    let more = deliveries.len() > limit;
    deliveries.truncate(limit);
    let next = deliveries.last().filter(|_| more).map(|last| last.number);
    Ok(Json(DeliveryList { deliveries, next }))
}
