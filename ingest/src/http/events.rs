//! Events: a recording as it changes, as server-sent events.

use super::auth::{Access, TokensThen};
use super::openapi::{NoRecording, Usual};
use super::problem::{ApiError, Problem};
use super::query::NoQuery;
use super::recordings::RecordingId;
use crate::context::Context;
use crate::recordings::view::{self, Recording};
use crate::session::Session;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use futures::{StreamExt, stream};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;
use uuid::Uuid;

/// Time between two looks whether the recording's row has changed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks after which the whole recording is read even where its row has not changed.
const LOOKS: u32 = 10;
/// Longest silence on the stream: shorter than the one after which intermediaries drop the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document needs it")]
struct RecordingEvent {
    /// What it is: `recording`.
    #[schema(pattern = "^recording$")]
    event: String,
    /// The recording's `revision`.
    id: String,
    /// The recording as JSON.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// One client's stream.
struct Stream {
    context: Arc<Context>,
    id: Uuid,
    /// The session that it was opened with.
    session: Option<Session>,
    /// The row's version when it was last looked at.
    row: Option<String>,
    /// Revision that the client has.
    revision: Option<String>,
    looks: u32,
    _permit: OwnedSemaphorePermit,
}

impl Stream {
    /// The recording once it is not what the client has; `None` once it is gone, or the session has ended.
    async fn next(&mut self) -> Option<Recording> {
        loop {
            match self.look().await {
                Ok(Some(recording)) if self.revision.as_ref() != Some(&recording.revision) => {
                    self.revision = Some(recording.revision.clone());
                    return Some(recording);
                }
                Ok(Some(_)) => {}
                Ok(None) => return None,
                // The client waits with us.
                Err(error) => {
                    tracing::debug!(recording = %self.id, %error, "the recording could not be read")
                }
            }
            self.row_changes().await;
        }
    }

    async fn look(&mut self) -> Result<Option<Recording>, sqlx::Error> {
        self.looks = 0;
        if let Some(session) = &self.session
            && (session.is_over(Utc::now()) || session.is_ended(&self.context.reads).await?)
        {
            return Ok(None);
        }
        // Before the rest is read: what changes in between is seen at the next look.
        self.row = view::version(&self.context.reads, self.id).await?;
        view::recording(&self.context.reads, self.id).await
    }

    /// Returns when the row has changed, or has been looked at often enough.
    async fn row_changes(&mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.looks += 1;
            match view::version(&self.context.reads, self.id).await {
                Ok(row) if row != self.row => return,
                _ if self.looks >= LOOKS => return,
                _ => {}
            }
        }
    }
}

/// Returns when other tokens are in force than were: the client comes again, and is asked for one that is.
async fn change_of(TokensThen(tokens): TokensThen) {
    if let Some(mut tokens) = tokens
        && tokens.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Follow a recording
///
/// An event `recording` with what `GET /v1/recordings/{id}` gives, at once and whenever that changes; its id is the recording's `revision`.
/// With `Last-Event-ID` the first comes only once there is something new. The stream ends when the recording is deleted.
#[utoipa::path(
    get, path = "/v1/recordings/{id}/events", tag = "recordings",
    params(
        RecordingId,
        ("Last-Event-ID" = Option<String>, Header, description = "The `revision` that the client has; browsers send it by themselves")
    ),
    responses(
        (status = 200, description = "The stream", body = RecordingEvent, content_type = "text/event-stream"),
        (status = 429, description = "Too many streams are open", body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "Seconds to wait"))),
        NoRecording, Usual
    )
)]
pub(crate) async fn events(
    State(context): State<Arc<Context>>,
    Extension(access): Extension<Access>,
    Extension(tokens): Extension<TokensThen>,
    RecordingId(id): RecordingId,
    headers: HeaderMap,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    let permit = context.streams.clone().try_acquire_owned().map_err(|_| ApiError::ManyStreams)?;
    if view::version(&context.reads, id).await?.is_none() {
        return Err(ApiError::UnknownRecording(id));
    }
    let known = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let shutdown = context.shutdown.clone();
    let session = access.session;
    let stream = Stream { context, id, session, row: None, revision: known, looks: 0, _permit: permit };
    let events = stream::unfold(stream, |mut stream| async move {
        let recording = stream.next().await?;
        let event = Event::default().event("recording").id(&recording.revision).json_data(&recording);
        // What is shown can always be written.
        Some((Ok::<_, Infallible>(event.unwrap_or_default()), stream))
    });
    let ends = async move {
        tokio::select! {
            () = shutdown.asked() => {}
            () = change_of(tokens) => {}
        }
    };
    let answer = Sse::new(events.take_until(ends)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Of nginx: it would gather what should pass at once.
    let headers = [(CACHE_CONTROL, "no-store"), (HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((headers, answer).into_response())
}
