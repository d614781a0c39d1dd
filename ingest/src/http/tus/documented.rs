//! Documented: what the calls of the tus protocol have in common, for the document.

use crate::http::openapi::problems;
use std::collections::BTreeMap;
use utoipa::openapi::RefOr;
use utoipa::openapi::response::Response;
use utoipa::{IntoParams, IntoResponses};

/// What every request says.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only the document needs it")]
pub(crate) struct Spoken {
    /// The version of the protocol.
    #[param(rename = "Tus-Resumable", pattern = "^1[.]0[.]0$")]
    version: String,
}

/// What is spoken here.
#[derive(IntoResponses)]
#[response(
    status = 204, description = "What is spoken here",
    headers(
        ("Tus-Resumable" = String, description = "The version of the protocol"),
        ("Tus-Version" = String, description = "All versions that are spoken"),
        ("Tus-Extension" = String, description = "What is spoken beyond the core"),
        ("Tus-Max-Size" = u64, description = "Bytes of the largest upload taken")
    )
)]
pub(crate) struct Abilities;

/// More of an upload has come.
#[derive(IntoResponses)]
#[response(
    status = 204, description = "It is kept; or, of another method that a POST stands for, done",
    headers(
        ("Upload-Offset" = Option<u64>, description = "Bytes that are kept now: where to go on"),
        ("Upload-Expires" = Option<String>, description = "When the upload goes unless more comes"),
        ("Throughline-Recording" = Option<String>, description = "Address of the recording, where all has come")
    )
)]
pub(crate) struct More;

/// Problems that calls of the protocol can be answered with, besides those of all calls.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("403", "The upload is complete and a recording; delete that"),
            ("404", "There is no such upload of this caller"),
            ("408", "The bytes came too slowly; what came is kept"),
            ("409", "The upload goes on at another byte"),
            ("412", "Another version of the protocol is spoken here, or none was named"),
            ("415", "Bytes of an upload have the content type application/offset+octet-stream"),
            ("429", "As many uploads are open as may be; only where one is created"),
            ("507", "The object store is full"),
        ])
    }
}
