//! Parameter: what stands in the path of an address for a `{…}` of its route.

use super::problem::ApiError;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The one parameter of an address, or several of them; percent-decoded, and UTF-8.
pub(crate) struct Parameter<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Parameter<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(parameter)| Self(parameter)).map_err(|_| ApiError::BadPath)
    }
}
