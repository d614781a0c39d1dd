//! Tus: resumable uploads (the tus protocol, version 1.0.0: core, creation, creation-with-upload, creation-defer-length, expiration and
//! termination). An upload that is complete is the recording of the same id.

mod documented;
mod headers;
mod metadata;
mod receive;

use self::documented::{Abilities, More, Refusals, Spoken};
pub(crate) use self::headers::OVERRIDE;
use self::headers::{
    DEFER_LENGTH, EXTENSIONS, LENGTH, MAX_SIZE, OFFSET, RESUMABLE, VERSION, VERSIONS, extension, has_bytes,
    length, number, state,
};
use self::receive::Incoming;
use super::auth::Caller;
use super::openapi::Usual;
use super::peer;
use super::problem::{ApiError, Problem};
use super::query::NoQuery;
use super::recordings::RecordingId;
use super::upload::{refuse_past_the_budget, trace_of};
use crate::composing::{self, ComposeError};
use crate::context::Context;
use crate::recordings::resumable::{self, NewUpload, Progress};
use crate::upkeep::erasure::{self, Erased};
use axum::extract::{Extension, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use service_kit::telemetry;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// Longest waits of a request: for its turn among the uploads that come in, and for another process that puts the same upload together.
const TURN_WITHIN: Duration = Duration::from_secs(10);
pub(crate) const COMPOSED_WITHIN: Duration = Duration::from_secs(100);

/// The addresses of resumable uploads.
pub(crate) fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(create, abilities))
        .routes(routes!(show, go_on, terminate, stand_in, abilities_of_one))
        .route_layer(middleware::from_fn(speak))
}

/// Refuses other versions of the protocol, and says in every answer which one it is.
async fn speak(request: Request, next: Next) -> Response {
    let known = request.headers().get(RESUMABLE) == Some(&VERSION) || request.method() == Method::OPTIONS;
    let mut response = if known {
        next.run(request).await
    } else {
        let mut response = ApiError::TusVersion.into_response();
        response.headers_mut().insert(VERSIONS, VERSION);
        response
    };
    response.headers_mut().insert(RESUMABLE, VERSION);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Say which version and extensions of the protocol are spoken
#[utoipa::path(options, path = "/v1/uploads", tag = "resumable uploads", responses(Abilities, Usual))]
async fn abilities(State(context): State<Arc<Context>>, NoQuery: NoQuery) -> Response {
    let headers =
        [(VERSIONS, VERSION), (EXTENSIONS, extension()), (MAX_SIZE, context.max_upload_bytes.into())];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The same of one upload
#[utoipa::path(
    options, path = "/v1/uploads/{id}", tag = "resumable uploads", params(("id" = Uuid, Path, description = "Id of the upload")),
    responses(Abilities, Usual)
)]
async fn abilities_of_one(state: State<Arc<Context>>, _: RecordingId, no_query: NoQuery) -> Response {
    abilities(state, no_query).await
}

/// Create an upload
///
/// What it brings of the bytes is taken at once.
#[utoipa::path(
    post, path = "/v1/uploads", tag = "resumable uploads",
    params(
        Spoken,
        ("Upload-Length" = Option<u64>, Header, minimum = 1, description = "Bytes of the whole"),
        ("Upload-Defer-Length" = Option<u8>, Header, minimum = 1, maximum = 1,
         description = "In place of it: the length is said later"),
        ("Upload-Metadata" = Option<String>, Header, example = "filename aW50ZXJ2aWV3Lm1wMw==,labels aW50ZXJ2aWV3",
         description = "The options of `POST /v1/recordings`, each with its value in base64; `filename` is `file_name`"),
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses(
        (status = 201, description = "The upload is created", headers(
            ("Location" = String, description = "Address of the upload; its recording will have the same id"),
            ("Upload-Offset" = u64, description = "Bytes that are kept"),
            ("Upload-Expires" = Option<String>, description = "When it goes unless more comes"),
            ("Throughline-Recording" = Option<String>, description = "Address of the recording, where all has come")
        )),
        (status = 429, description = "As much audio is undone as may be", body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "Seconds to wait"))),
        Refusals, Usual
    )
)]
async fn create(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    NoQuery: NoQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let incoming = Incoming::of(&context, &parts.headers, body);
    let (id, mut now) = match new(&context, &caller, &parts.headers).await {
        Ok(new) => new,
        Err(error) => return refuse(incoming, error).await,
    };
    if has_bytes(&parts.headers)? {
        now = take(&context, id, caller, now, &parts, incoming).await?;
    }
    let location = format!("/v1/uploads/{id}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], state(id, &now)).into_response())
}

/// Notes the upload that `headers` ask for.
async fn new(
    context: &Arc<Context>,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<(Uuid, Progress), ApiError> {
    let length = length(headers)?;
    check_length(context, length)?;
    if !has_bytes(headers)? && number(headers, &header::CONTENT_LENGTH, "Content-Length")?.unwrap_or(0) > 0 {
        return Err(ApiError::TusContentType);
    }
    check_body(context, headers, length, 0)?;
    let metadata = match headers.get(metadata::HEADER).map(HeaderValue::to_str) {
        None => String::new(),
        Some(Ok(metadata)) => metadata.to_owned(),
        Some(Err(_)) => {
            let why = "must be keys, each with a value in base64".to_owned();
            return Err(ApiError::TusHeader("Upload-Metadata", why));
        }
    };
    let chosen = metadata::options(&metadata)?.choose(None, context.chunk_blocks)?;
    refuse_past_the_budget(context, &caller.0).await?;
    // Of two at once both may find the last place.
    let (open, most) = (resumable::open(context, &caller.0).await?, &context.limits);
    if open.of_caller >= i64::from(most.max_open_uploads_per_caller) {
        return Err(ApiError::TooManyUploads(open.of_caller, "one token"));
    }
    if open.all >= i64::from(most.max_open_uploads) {
        return Err(ApiError::TooManyUploads(open.all, "this service"));
    }
    let id = Uuid::now_v7();
    let new = NewUpload {
        id,
        caller: caller.0.clone(),
        length,
        metadata,
        title: chosen.title,
        file_stem: chosen.file_stem,
        settings: chosen.settings,
        allow_gaps: chosen.allow_gaps,
        chunk_blocks: chosen.chunk_blocks,
        priority: chosen.priority,
    };
    let shared = context.clone();
    context.changes.run_in_turn(async move || resumable::create(&shared, &new).await).await??;
    tracing::info!(upload = %id, bytes = length, "upload created");
    Ok((id, progress(context, id, caller).await?))
}

/// Say how far an upload is
#[utoipa::path(
    head, path = "/v1/uploads/{id}", tag = "resumable uploads", params(Spoken, ("id" = Uuid, Path, description = "Id of the upload")),
    responses(
        (status = 200, description = "The upload is there", headers(
            ("Upload-Offset" = u64, description = "Bytes that are kept: where to go on"),
            ("Upload-Length" = Option<u64>, description = "Bytes of the whole"),
            ("Upload-Defer-Length" = Option<u8>, description = "The length is still to be said"),
            ("Upload-Metadata" = Option<String>, description = "As it was sent"),
            ("Upload-Expires" = Option<String>, description = "When it goes unless more comes"),
            ("Throughline-Recording" = Option<String>, description = "Address of the recording, where all has come")
        )),
        Refusals, Usual
    )
)]
async fn show(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    let now = progress(&context, id, &caller).await?;
    // Whoever died may have left it whole and no recording: a client that sees it complete does not come again.
    let now = finished(&context, id, &caller, now).await?;
    let mut headers = state(id, &now);
    match now.length {
        Some(length) => headers.insert(LENGTH, length.into()),
        None => headers.insert(DEFER_LENGTH, 1.into()),
    };
    if let (false, Ok(metadata)) = (now.metadata.is_empty(), HeaderValue::from_str(&now.metadata)) {
        headers.insert(metadata::HEADER, metadata);
    }
    Ok((StatusCode::OK, headers).into_response())
}

/// Send more of an upload
///
/// What comes before the request breaks off is kept.
#[utoipa::path(
    patch, path = "/v1/uploads/{id}", tag = "resumable uploads",
    params(
        Spoken,
        ("id" = Uuid, Path, description = "Id of the upload"),
        ("Upload-Offset" = u64, Header, description = "At which byte this begins: as many as are kept"),
        ("Upload-Length" = Option<u64>, Header, minimum = 1, description = "Bytes of the whole, where it was to be said later"),
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses(More, Refusals, Usual)
)]
async fn go_on(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let incoming = Incoming::of(&context, &parts.headers, body);
    let now = match agreed(&context, id, &caller, &parts.headers).await {
        Ok(now) => now,
        Err(error) => return refuse(incoming, error).await,
    };
    let now = take(&context, id, caller, now, &parts, incoming).await?;
    Ok((StatusCode::NO_CONTENT, state(id, &now)).into_response())
}

/// The upload that `headers` go on with, where they say rightly how far it is.
async fn agreed(
    context: &Arc<Context>,
    id: Uuid,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Progress, ApiError> {
    if !has_bytes(headers)? {
        return Err(ApiError::TusContentType);
    }
    let offset = number(headers, &OFFSET, "Upload-Offset")?.ok_or_else(|| {
        ApiError::TusHeader("Upload-Offset", "must say at which byte this request begins".to_owned())
    })?;
    let mut now = progress(context, id, caller).await?;
    if now.received != offset {
        return Err(ApiError::WrongOffset(now.received, offset));
    }
    if let Some(length) = number(headers, &LENGTH, "Upload-Length")? {
        check_length(context, Some(length))?;
        let shared = context.clone();
        let setting = async move || resumable::set_length(&shared, id, length).await;
        if !context.changes.run_in_turn(setting).await?? {
            let why = "is not what was said before, or less than has come".to_owned();
            return Err(ApiError::TusHeader("Upload-Length", why));
        }
        now.length = Some(length);
    }
    check_body(context, headers, now.length, now.received)?;
    Ok(now)
}

async fn refuse(incoming: Incoming, error: ApiError) -> Result<Response, ApiError> {
    incoming.hear_out().await;
    Err(error)
}

/// End an upload
///
/// What has come of it is deleted; where the object store is away, as soon as it is back.
#[utoipa::path(
    delete, path = "/v1/uploads/{id}", tag = "resumable uploads", params(Spoken, ("id" = Uuid, Path, description = "Id of the upload")),
    responses((status = 204, description = "It is gone"), Refusals, Usual)
)]
async fn terminate(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    if progress(&context, id, &caller).await?.is_recording {
        return Err(ApiError::UploadComplete(id));
    }
    let shared = context.clone();
    let erasing = async move || erasure::erase_upload(&shared, id, &caller.0).await;
    match context.erasures.run_in_turn(erasing).await?? {
        Erased::Gone | Erased::Pending => Ok(StatusCode::NO_CONTENT.into_response()),
        Erased::Unknown => Err(ApiError::UnknownUpload(id)),
    }
}

/// Stand in for another method
///
/// For clients that can only send POST; all else is as of the method that is meant.
#[utoipa::path(
    post, path = "/v1/uploads/{id}", tag = "resumable uploads",
    params(
        Spoken,
        ("id" = Uuid, Path, description = "Id of the upload"),
        ("X-HTTP-Method-Override" = String, Header, pattern = "^(PATCH|DELETE|HEAD)$", description = "The method that is meant"),
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 200, description = "As of HEAD"), More, Refusals, Usual)
)]
async fn stand_in(
    state: State<Arc<Context>>,
    caller: Extension<Caller>,
    id: RecordingId,
    no_query: NoQuery,
    request: Request,
) -> Result<Response, ApiError> {
    match request.headers().get(OVERRIDE).map(HeaderValue::as_bytes) {
        Some(b"PATCH") => go_on(state, caller, id, no_query, request).await,
        Some(b"DELETE") => terminate(state, caller, id, no_query).await,
        Some(b"HEAD") => show(state, caller, id, no_query).await,
        _ => {
            let why = "must be PATCH, DELETE or HEAD for a POST to an upload".to_owned();
            Err(ApiError::TusHeader("X-HTTP-Method-Override", why))
        }
    }
}

/// Takes the bytes of a request, in a task of its own: when the client goes away, the handler is dropped, but this runs on and keeps
/// what has come.
async fn take(
    context: &Arc<Context>,
    id: Uuid,
    caller: Caller,
    now: Progress,
    Parts { headers, extensions, .. }: &Parts,
    mut incoming: Incoming,
) -> Result<Progress, ApiError> {
    let span = tracing::info_span!("upload", otel.kind = "server", recording = %id);
    telemetry::continue_trace(&span, &trace_of(headers));
    let (context, client) = (context.clone(), peer::client(context, extensions, headers));
    let taking = async move {
        let taken = take_in(&context, client, id, &caller, &now, &mut incoming).await;
        if let Err(error) = &taken {
            tracing::info!(upload = %id, error = error.to_string(), "upload interrupted");
            incoming.hear_out().await;
        }
        taken
    };
    tokio::spawn(taking.instrument(span)).await?
}

async fn take_in(
    context: &Arc<Context>,
    client: IpAddr,
    id: Uuid,
    caller: &Caller,
    now: &Progress,
    incoming: &mut Incoming,
) -> Result<Progress, ApiError> {
    let _place = context.uploads.place_within(client, TURN_WITHIN).await?;
    receive::receive(context, id, now, incoming).await?;
    let now = progress(context, id, caller).await?;
    finished(context, id, caller, now).await
}

/// An upload as it is: a recording, where all of it has come.
async fn finished(
    context: &Arc<Context>,
    id: Uuid,
    caller: &Caller,
    now: Progress,
) -> Result<Progress, ApiError> {
    if now.is_recording || !now.is_whole() {
        return Ok(now);
    }
    match composing::finish(context, id, COMPOSED_WITHIN).await {
        Ok(_) => progress(context, id, caller).await,
        Err(ComposeError::Database(error)) => Err(error.into()),
        Err(ComposeError::Store(error)) => {
            tracing::error!(upload = %id, error = error.to_string(), "a whole upload could not be put together");
            Err(if error.is_full() { error.into() } else { ApiError::NotComposed(now.received) })
        }
        Err(ComposeError::Others) => Err(ApiError::NotComposed(now.received)),
        Err(ComposeError::Panicked(error)) => Err(error.into()),
        Err(ComposeError::Died(died)) => Err(died.into()),
    }
}

async fn progress(context: &Context, id: Uuid, caller: &Caller) -> Result<Progress, ApiError> {
    resumable::progress(context, id, &caller.0).await?.ok_or(ApiError::UnknownUpload(id))
}

fn check_length(context: &Context, length: Option<u64>) -> Result<(), ApiError> {
    match length {
        Some(0) => Err(ApiError::Empty),
        Some(length) if length > context.max_upload_bytes => {
            Err(ApiError::TooLarge(context.max_upload_bytes))
        }
        _ => Ok(()),
    }
}

/// Refuses a body that says it is longer than what is missing of the upload, before it is read.
fn check_body(
    context: &Context,
    headers: &HeaderMap,
    length: Option<u64>,
    received: u64,
) -> Result<(), ApiError> {
    let left = length.unwrap_or(context.max_upload_bytes).saturating_sub(received);
    match number(headers, &header::CONTENT_LENGTH, "Content-Length")? {
        Some(bytes) if bytes > left => {
            Err(length.map_or(ApiError::TooLarge(context.max_upload_bytes), ApiError::PastTheEnd))
        }
        _ => Ok(()),
    }
}
