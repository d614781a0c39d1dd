//! Upload: a form or a bare body becomes an object and a recording, once however often it is sent with the same key.

use super::auth::Caller;
use super::body::{Received, Sink};
use super::form;
use super::key;
use super::meter::{Broken, Meter};
use super::openapi::Usual;
use super::options::{Chosen, Options, UploadOptions};
use super::peer;
use super::problem::{ApiError, Problem};
use super::query;
use crate::context::{Context, folder};
use crate::recordings::accept::{self, FIRST_RUN, NewRecording};
use crate::recordings::budget::{self, Undone};
use crate::recordings::claims::{self, Claim, Held, Key};
use crate::recordings::state;
use crate::upkeep::orphans::{self, UPLOAD_WITHIN};
use axum::Json;
use axum::body::Body;
use axum::extract::multipart::Multipart;
use axum::extract::{Extension, FromRequest, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::Serialize;
use service_kit::telemetry;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::{Instrument, Span};
use utoipa::ToSchema;
use uuid::Uuid;

/// Largest size of a form besides its file, in bytes.
const FORM_OVERHEAD: u64 = 1 << 20;
/// Longest time for which the rest of a refused upload is read, so that a client that sends all before it reads gets the answer.
pub(crate) const HEAR_OUT: Duration = Duration::from_secs(5);

/// An upload that is a recording now.
struct Accepted {
    id: Uuid,
    received: Received,
    chosen: Chosen,
    /// True where the upload was a recording before.
    replayed: bool,
}

/// A recording that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Uploaded {
    id: Uuid,
    state: state::State,
    title: String,
    /// Stem of the file's name.
    file_name: String,
    run: i32,
    /// Digest of the file, hexadecimal.
    sha256: String,
    /// Bytes of the file.
    bytes: u64,
}

/// An upload as a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document needs it")]
struct UploadForm {
    /// The recording.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
    #[serde(flatten)]
    options: UploadOptions,
}

/// Upload a recording
///
/// As a form, or as a bare body with the options in the query. The file is looked into after the answer: one that is not audio ends as
/// `failed`.
#[utoipa::path(
    post, path = "/v1/recordings", tag = "recordings",
    params(
        UploadOptions,
        ("Idempotency-Key" = Option<String>, Header, pattern = r#"^("[ !#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$"#,
         description = "The same file with the same options and the same key is one recording, however often it is sent")
    ),
    request_body(content((UploadForm = "multipart/form-data"), (Vec<u8> = "application/octet-stream"))),
    responses(
        (status = 202, description = "It is a recording now", body = Uploaded, headers(
            ("Location" = String, description = "Address of the recording"),
            ("Idempotent-Replayed" = Option<String>, description = "`true` where it was one before")
        )),
        (status = 408, description = "The upload was too slow", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "An upload with this key is still under way", body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "Seconds to wait"))),
        (status = 422, description = "The key belongs to another upload", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "As many uploads as are taken at once are under way, or as much audio is undone as may be", body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "Seconds to wait"))),
        (status = 507, description = "The object store is full; nothing was kept", body = Problem, content_type = "application/problem+json"),
        Usual
    )
)]
pub(crate) async fn upload(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let span = tracing::info_span!("upload", otel.kind = "server", recording = tracing::field::Empty);
    telemetry::continue_trace(&span, &trace_of(request.headers()));
    // A task of its own: when the client goes away, the handler is dropped, but this runs on and cleans up.
    let accepted = tokio::spawn(receive(context, caller, request).instrument(span)).await??;
    let location = format!("/v1/recordings/{}", accepted.id);
    let body = Uploaded {
        id: accepted.id,
        state: state::State::Queued,
        title: accepted.chosen.title,
        file_name: accepted.chosen.file_stem,
        run: FIRST_RUN,
        sha256: accepted.received.sha256,
        bytes: accepted.received.bytes,
    };
    let mut response = (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(body)).into_response();
    if accepted.replayed {
        response.headers_mut().insert(key::REPLAYED, HeaderValue::from_static("true"));
    } else {
        metrics::counter!("throughline_uploads_total").increment(1);
    }
    Ok(response)
}

/// The body, taken apart or not.
pub(crate) enum Incoming {
    Form(Multipart),
    Bare(BoxStream<'static, Result<Bytes, Broken>>),
}

impl Incoming {
    /// The body of a request, watched by `meter`.
    pub async fn of(parts: &Parts, body: Body, meter: Arc<Meter>) -> Result<Self, ApiError> {
        let body = meter.watch(body.into_data_stream());
        if !is_form(&parts.headers) {
            return Ok(Self::Bare(body.boxed()));
        }
        let request = Request::from_parts(parts.clone(), Body::from_stream(body));
        let form = Multipart::from_request(request, &()).await;
        Ok(Self::Form(form.map_err(|rejection| ApiError::Form(rejection.body_text()))?))
    }

    /// Takes the upload in: the options into `options`, the file into `sink`.
    pub async fn take(
        &mut self,
        meter: &Meter,
        mut options: Options,
        sink: Sink<'_>,
        limit: u64,
        default_chunk_blocks: u32,
    ) -> Result<(Chosen, Received), ApiError> {
        let taken = match self {
            Self::Form(form) => form::take(form, meter, &mut options, sink, limit)
                .await
                .map(|file| (file.part_name, file.received)),
            Self::Bare(body) => {
                // Refused before the transfer, not after it.
                options.clone().choose(None, default_chunk_blocks)?;
                sink.take(limit, body).await.map(|received| (None, received))
            }
        };
        // Whoever read the body knows only that it broke off; the meter knows why.
        let (part_name, received) = taken.map_err(|error| meter.refusal().unwrap_or(error))?;
        Ok((options.choose(part_name.as_deref(), default_chunk_blocks)?, received))
    }

    async fn hear_out(&mut self, meter: &Meter) {
        meter.drop_the_rest();
        let rest = async {
            match self {
                Self::Form(form) => while let Ok(Some(_)) = form.next_field().await {},
                Self::Bare(bytes) => while let Some(Ok(_)) = bytes.next().await {},
            }
        };
        // Past the time the connection is closed, and the client sees that.
        let _ = tokio::time::timeout(HEAR_OUT, rest).await;
    }
}

async fn receive(context: Arc<Context>, caller: Caller, request: Request) -> Result<Accepted, ApiError> {
    let id = Uuid::now_v7();
    Span::current().record("recording", tracing::field::display(id));
    let (parts, body) = request.into_parts();
    let meter = Meter::new(&context.limits);
    let mut incoming = Incoming::of(&parts, body, meter.clone()).await?;
    let taken = take_in(&context, id, caller, &parts, &mut incoming, &meter).await;
    if let Err(error) = &taken {
        tracing::info!(recording = %id, error = error.to_string(), "upload refused");
        // A client that waits for `100 Continue` has sent nothing yet, and reading on would ask it to.
        if !parts.headers.contains_key(header::EXPECT) {
            incoming.hear_out(&meter).await;
        }
    }
    taken
}

/// Everything that is decided before the body is read, then the body.
async fn take_in(
    context: &Arc<Context>,
    id: Uuid,
    caller: Caller,
    parts: &Parts,
    incoming: &mut Incoming,
    meter: &Meter,
) -> Result<Accepted, ApiError> {
    let mut options = Options::default();
    for (name, value) in query::pairs(&parts.uri)? {
        options.set(&name, &value)?;
    }
    let overhead = if matches!(incoming, Incoming::Form(_)) { FORM_OVERHEAD } else { 0 };
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    let announced = announced.and_then(|v| v.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > context.max_upload_bytes.saturating_add(overhead)) {
        return Err(ApiError::TooLarge(context.max_upload_bytes));
    }
    let key = key::of(&parts.headers)?.map(|key| Key { caller: caller.0.clone(), key });
    let _place = context.uploads.place(peer::client(context, &parts.extensions, &parts.headers))?;
    let claim = match key {
        Some(key) => Some(claims::claim(context, key, id).await?),
        None => None,
    };
    match claim {
        Some(Claim::InUse) => Err(ApiError::KeyInUse),
        Some(Claim::Taken { recording, fingerprint }) => {
            let (limit, blocks) = (context.max_upload_bytes, context.chunk_blocks);
            let (chosen, received) = incoming.take(meter, options, Sink::Nowhere, limit, blocks).await?;
            if key::fingerprint(&received, &chosen) != fingerprint {
                return Err(ApiError::KeyReused(recording));
            }
            tracing::info!(%recording, "the same upload again");
            Ok(Accepted { id: recording, received, chosen, replayed: true })
        }
        Some(Claim::Ours(held)) => {
            let stored = match refuse_past_the_budget(context, &caller.0).await {
                Ok(()) => store(context, id, &caller, incoming, meter, options, Some(&held)).await,
                Err(refusal) => Err(refusal),
            };
            if stored.is_err() {
                discard(context, id).await;
                claims::give_up(context, held).await;
            }
            stored
        }
        None => {
            refuse_past_the_budget(context, &caller.0).await?;
            let stored = store(context, id, &caller, incoming, meter, options, None).await;
            if stored.is_err() {
                discard(context, id).await;
            }
            stored
        }
    }
}

/// Refuses an upload while as much audio is undone as may be.
pub(crate) async fn refuse_past_the_budget(context: &Context, caller: &str) -> Result<(), ApiError> {
    match budget::exceeded(context, caller).await? {
        Some(Undone { used, allowed, of_caller }) => {
            Err(ApiError::Backlog(used, allowed, if of_caller { " sent with your token" } else { "" }))
        }
        None => Ok(()),
    }
}

async fn store(
    context: &Arc<Context>,
    id: Uuid,
    caller: &Caller,
    incoming: &mut Incoming,
    meter: &Meter,
    options: Options,
    held: Option<&Held>,
) -> Result<Accepted, ApiError> {
    let object = format!("{}/upload", folder(id));
    let sink = Sink::Object(&context.objects, &object);
    let (limit, blocks) = (context.max_upload_bytes, context.chunk_blocks);
    let (chosen, received) = incoming.take(meter, options, sink, limit, blocks).await?;
    if orphans::age(id, SystemTime::now()).is_some_and(|age| age > UPLOAD_WITHIN) {
        return Err(ApiError::BrokeOff(format!(
            "it took longer than {} hours",
            UPLOAD_WITHIN.as_secs() / 3600
        )));
    }
    let new = NewRecording {
        id,
        caller: caller.0.clone(),
        title: chosen.title.clone(),
        file_stem: chosen.file_stem.clone(),
        object,
        sha256: received.sha256.clone(),
        bytes: received.bytes,
        settings: chosen.settings.clone(),
        allow_gaps: chosen.allow_gaps,
        chunk_blocks: chosen.chunk_blocks,
        priority: chosen.priority,
    };
    let key = held.map(|held| (held.key.clone(), key::fingerprint(&received, &chosen)));
    let shared = context.clone();
    let accepted = context
        .changes
        .run_in_turn(async move || accept::accept(&shared, &new, key.as_ref()).await)
        .await??;
    if !accepted {
        return Err(ApiError::KeyInUse);
    }
    tracing::info!(recording = %id, bytes = received.bytes, "upload accepted");
    Ok(Accepted { id, received, chosen, replayed: false })
}

/// Removes what a refused upload has left in the store.
async fn discard(context: &Context, id: Uuid) {
    if let Err(error) = context.objects.delete_folder(&folder(id)).await {
        tracing::error!(recording = %id, %error, "what is left of a refused upload could not be deleted");
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("multipart/form-data")
}

/// The client's trace context, if it has one.
pub(crate) fn trace_of(headers: &HeaderMap) -> BTreeMap<String, String> {
    ["traceparent", "tracestate"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), headers.get(name)?.to_str().ok()?.to_owned())))
        .collect()
}
