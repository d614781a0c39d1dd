//! Upload: a form or a bare body becomes an object and a recording.

use super::body::{self, Stored};
use super::options::{OptionError, Options};
use super::problem::{self, ApiError};
use crate::context::{Context, folder};
use crate::recordings::accept::{self, FIRST_RUN, NewRecording};
use crate::thread;
use axum::Json;
use axum::body::BodyDataStream;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::json;
use service_kit::telemetry;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tracing::{Instrument, Span};
use uuid::Uuid;

/// Longest value of a form's option, in bytes.
const LONGEST_VALUE: usize = 16 << 10;
/// What a form may have around its file.
const FORM_OVERHEAD: u64 = 1 << 20;
/// How long the rest of a refused upload is read, so that a client that sends all before it reads anything gets the answer.
const HEAR_OUT: Duration = Duration::from_secs(5);

/// `POST /v1/recordings`
pub(crate) async fn upload(
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Response, ApiError> {
    let span = tracing::info_span!("upload", otel.kind = "server", recording = tracing::field::Empty);
    telemetry::continue_trace(&span, &trace_of(request.headers()));
    // A task of its own: when the client goes away, the handler is dropped, but this runs on and cleans up.
    let new = tokio::spawn(receive(context, request).instrument(span)).await??;
    metrics::counter!("throughline_uploads_total").increment(1);
    let location = format!("/v1/recordings/{}", new.id);
    let body = json!({
        "id": new.id, "state": "queued", "title": new.title, "file_name": new.file_stem, "run": FIRST_RUN,
        "sha256": new.sha256, "bytes": new.bytes,
    });
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(body)).into_response())
}

/// The body, taken apart or not.
enum Incoming {
    Form(Multipart),
    Bare(BodyDataStream),
}

/// The file and the name its part had.
struct ReceivedFile {
    stored: Stored,
    part_name: Option<String>,
}

async fn receive(context: Arc<Context>, request: Request) -> Result<NewRecording, ApiError> {
    let id = Uuid::now_v7();
    Span::current().record("recording", tracing::field::display(id));
    let (headers, uri) = (request.headers().clone(), request.uri().clone());
    let mut incoming = if is_form(&headers) {
        let form = Multipart::from_request(request, &()).await;
        Incoming::Form(form.map_err(|rejection| ApiError::Form(rejection.body_text()))?)
    } else {
        Incoming::Bare(request.into_body().into_data_stream())
    };
    let taken = async {
        let mut options = Options::default();
        for (name, value) in problem::query::<Vec<(String, String)>>(&uri)? {
            options.set(&name, &value)?;
        }
        take_in(&context, id, &headers, &mut incoming, options).await
    };
    let taken = taken.await;
    if let Err(error) = &taken {
        tracing::info!(recording = %id, %error, "upload refused");
        discard(&context, id).await;
        // A client that waits for `100 Continue` has sent nothing yet, and reading on would ask it to.
        if !headers.contains_key(header::EXPECT) {
            incoming.hear_out().await;
        }
    }
    taken
}

async fn take_in(
    context: &Arc<Context>,
    id: Uuid,
    headers: &HeaderMap,
    incoming: &mut Incoming,
    mut options: Options,
) -> Result<NewRecording, ApiError> {
    let object = format!("{}/upload", folder(id));
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let overhead = if matches!(incoming, Incoming::Form(_)) { FORM_OVERHEAD } else { 0 };
    if announced.is_some_and(|bytes: u64| bytes > context.max_upload_bytes.saturating_add(overhead)) {
        return Err(ApiError::TooLarge(context.max_upload_bytes));
    }
    let file = match incoming {
        Incoming::Form(form) => take_form(context, &object, form, &mut options).await?,
        Incoming::Bare(bytes) => {
            // Refused before the transfer, not after it.
            options.clone().choose(None, context.chunk_blocks)?;
            ReceivedFile { stored: body::store(context, &object, bytes).await?, part_name: None }
        }
    };
    let chosen = options.choose(file.part_name.as_deref(), context.chunk_blocks)?;
    let new = NewRecording {
        id,
        title: chosen.title,
        file_stem: chosen.file_stem,
        object,
        sha256: file.stored.sha256,
        bytes: file.stored.bytes,
        settings: chosen.settings,
        chunk_blocks: chosen.chunk_blocks,
    };
    let (shared, accepted) = (context.clone(), new.clone());
    thread::on_its_own(async move || accept::accept(&shared, &accepted).await).await??;
    tracing::info!(recording = %id, bytes = new.bytes, "upload accepted");
    Ok(new)
}

/// Reads the form's fields in whatever order they come; the file goes to the store as it is met.
async fn take_form(
    context: &Context,
    object: &str,
    form: &mut Multipart,
    options: &mut Options,
) -> Result<ReceivedFile, ApiError> {
    let mut file = None;
    while let Some(field) = form.next_field().await.map_err(|error| ApiError::Form(error.body_text()))? {
        match field.name().unwrap_or_default().to_owned().as_str() {
            "file" if file.is_some() => return Err(ApiError::SecondFile),
            "file" => {
                let part_name = field.file_name().map(str::to_owned);
                file = Some(ReceivedFile { stored: body::store(context, object, field).await?, part_name });
            }
            name => {
                let value = text(name, field).await?;
                options.set(name, &value)?;
            }
        }
    }
    file.ok_or(ApiError::NoFile)
}

async fn text(name: &str, mut field: Field<'_>) -> Result<String, ApiError> {
    let mut value = Vec::new();
    while let Some(part) = field.chunk().await.map_err(|error| ApiError::Form(error.body_text()))? {
        value.extend_from_slice(&part);
        if value.len() > LONGEST_VALUE {
            return Err(OptionError::LongField(name.chars().take(80).collect()).into());
        }
    }
    Ok(String::from_utf8_lossy(&value).into_owned())
}

/// Removes what a refused upload has left in the store.
async fn discard(context: &Context, id: Uuid) {
    if let Err(error) = context.objects.delete_folder(&folder(id)).await {
        tracing::error!(recording = %id, %error, "what is left of a refused upload could not be deleted");
    }
}

impl Incoming {
    async fn hear_out(&mut self) {
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

fn is_form(headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("multipart/form-data")
}

/// The client's trace context, if it has one.
fn trace_of(headers: &HeaderMap) -> BTreeMap<String, String> {
    ["traceparent", "tracestate"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), headers.get(name)?.to_str().ok()?.to_owned())))
        .collect()
}
