//! Audit: notes who did what, and shows it to operators.

use super::auth::{Access, Caller};
use super::guard::{RESUMABLE, RESUMABLE_ONE, UPLOADS};
use super::openapi::Usual;
use super::problem::ApiError;
use super::query::Query;
use super::shown::shown;
use super::tus::OVERRIDE;
use crate::audit::{self, Deed, Entry, Filter};
use crate::context::Context;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::Response;
use axum::{Json, RequestExt};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::Instrument;
use utoipa::ToSchema;

/// Entries in one answer, unless asked otherwise and at most.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1000;
/// Longest time that an answer is held back until its entry is written.
const NOTED_WITHIN: Duration = Duration::from_secs(10);

/// A page of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditList {
    /// Newest first.
    entries: Vec<Entry>,
    /// What to give as `before` for the next page; null on the last.
    next: Option<i64>,
}

/// Subject of what was done, where the handler alone knows it; `None` where nothing was done. An extension of the answer.
#[derive(Clone, Debug)]
pub(crate) struct Subject(pub Option<String>);

/// Notes what is done under the name of its caller, before it is answered.
pub(crate) async fn note(State(context): State<Arc<Context>>, mut request: Request, next: Next) -> Response {
    let Some(deed) = deed(&mut request).await else { return next.run(request).await };
    let mut pending = Pending { context: context.clone(), deed: Some(deed) };
    let response = next.run(request).await;
    let deed = pending.deed.take().filter(|_| response.status().is_success());
    if let Some(mut deed) = deed {
        deed.status = Some(response.status().as_u16());
        match response.extensions().get::<Subject>() {
            Some(Subject(None)) => return response,
            Some(Subject(subject)) => deed.subject.clone_from(subject),
            None => {}
        }
        write(&context, &deed).await;
    }
    response
}

/// Something that is being done. Where the caller goes away before the answer, it is noted without one: it may have been done.
struct Pending {
    context: Arc<Context>,
    deed: Option<Deed>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(deed) = self.deed.take() else { return };
        let context = self.context.clone();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { write(&context, &deed).await }.in_current_span());
        }
    }
}

async fn write(context: &Context, deed: &Deed) {
    let Deed { caller: _, action, recording, subject, status } = deed;
    let recording = recording.map(tracing::field::display);
    tracing::info!(action, recording, subject, status, "done");
    let error = match tokio::time::timeout(NOTED_WITHIN, audit::write(&context.pool, deed)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    // It is done all the same, and the log has it.
    tracing::error!(error, "it could not be noted in the table audit");
}

/// Action of a request; none where it is not to be noted. Uploads are noted with the recordings that they become.
async fn deed(request: &mut Request) -> Option<Deed> {
    if request.method().is_safe() {
        return None;
    }
    let parameters = request.extract_parts::<RawPathParams>().await.ok();
    let about = parameters.and_then(|all| all.iter().next().map(|(_, value)| shown(value)));
    let route = request.extensions().get::<MatchedPath>()?.as_str();
    let meant = request.headers().get(OVERRIDE).and_then(|meant| meant.to_str().ok());
    let action = action(request.method(), route, meant)?;
    // Anybody may end a session; where there was none, nothing is done, and nobody may fill the table so.
    let session = request.extensions().get::<Access>().and_then(|access| access.session.as_ref());
    if route == "/v1/session" && request.method() == Method::DELETE && session.is_none() {
        return None;
    }
    let caller = request.extensions().get::<Caller>().map(|caller| caller.0.clone());
    let recording = about.as_ref().filter(|_| is_of_recording(route)).and_then(|id| id.parse().ok());
    let subject = about.filter(|_| recording.is_none());
    Some(Deed { caller: caller.unwrap_or_default(), action, recording, subject, status: None })
}

fn is_of_recording(route: &str) -> bool {
    route.starts_with(UPLOADS) || route.starts_with(RESUMABLE)
}

fn action(method: &Method, route: &str, meant: Option<&str>) -> Option<String> {
    let word = match (method.as_str(), route) {
        ("POST", UPLOADS | RESUMABLE) | ("PATCH", RESUMABLE_ONE) => return None,
        ("POST", RESUMABLE_ONE) if meant != Some("DELETE") => return None,
        ("DELETE" | "POST", RESUMABLE_ONE) => "upload.deleted",
        ("DELETE", "/v1/recordings/{id}") => "recording.deleted",
        ("POST", "/v1/recordings/{id}/reprocess") => "recording.reprocessed",
        ("POST", "/v1/recordings/{id}/cancel") => "recording.cancelled",
        ("POST", "/v1/recordings/{id}/corrections") => "recording.corrected",
        ("DELETE", "/v1/recordings/{id}/corrections/{number}") => "recording.correction-undone",
        ("POST", "/v1/dead-letters/{id}/replay") => "dead-letter.replayed",
        ("POST", "/v1/dead-letters/replay") => "dead-letters.replayed",
        ("DELETE", "/v1/dead-letters/{id}") => "dead-letter.dropped",
        ("POST", "/v1/queues/{name}/pause") => "queue.paused",
        ("POST", "/v1/queues/{name}/resume") => "queue.resumed",
        ("POST", "/v1/webhooks") => "webhook.added",
        ("DELETE", "/v1/webhooks/{id}") => "webhook.deleted",
        ("POST", "/v1/webhooks/{id}/ping") => "webhook.pinged",
        ("POST", "/v1/session") => "session.begun",
        ("DELETE", "/v1/session") => "session.ended",
        _ => return Some(format!("{method} {route}")),
    };
    Some(word.to_owned())
}

/// Show who did what, newest first
///
/// Everything that changed something: uploads, corrections, deletions, what operators did, and who signed in. Kept for as long as the
/// operator says, 90 days unless told otherwise.
#[utoipa::path(
    get, path = "/v1/audit", tag = "operations",
    params(
        ("limit" = Option<u32>, Query, maximum = 4294967295u32, description = "Entries in one answer: 100 unless asked otherwise, at most 1000"),
        ("before" = Option<i64>, Query, description = "The `next` of the answer before"),
        ("caller" = Option<String>, Query, description = "Only what was done with the token of this name"),
        ("recording" = Option<Uuid>, Query, description = "Only what was done to this recording")
    ),
    responses((status = 200, description = "A page of the audit", body = AuditList), Usual)
)]
pub(crate) async fn list(State(context): State<Arc<Context>>, uri: Uri) -> Result<Json<AuditList>, ApiError> {
    let query = Query::read(&uri, &["limit", "before", "caller", "recording"])?;
    let limit = query.get("limit", "a whole number")?.unwrap_or(PAGE).clamp(1, LARGEST_PAGE) as usize;
    let filter = Filter {
        before: query.get("before", "the `next` of an answer before, a number")?,
        caller: query.get("caller", "the name of a token")?,
        recording: query.get("recording", "the id of a recording")?,
    };
    // One more than shown says whether there is a next page.
    let mut entries = audit::list(&context.reads, limit as i64 + 1, &filter).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| last.number);
    Ok(Json(AuditList { entries, next }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_has_a_word_and_what_is_new_is_named_by_its_route() {
        let word = |method: Method, route| action(&method, route, None);
        assert_eq!(word(Method::DELETE, "/v1/recordings/{id}").as_deref(), Some("recording.deleted"));
        assert_eq!(word(Method::PATCH, "/v1/recordings/{id}").as_deref(), Some("PATCH /v1/recordings/{id}"));
        assert_eq!(word(Method::POST, UPLOADS), None);
        assert_eq!(word(Method::PATCH, RESUMABLE_ONE), None);
        assert_eq!(action(&Method::POST, RESUMABLE_ONE, Some("PATCH")), None);
        assert_eq!(action(&Method::POST, RESUMABLE_ONE, Some("DELETE")).as_deref(), Some("upload.deleted"));
    }
}
