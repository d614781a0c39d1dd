//! JSON: bodies of calls that take some, read strictly: what is not known is refused by name.

use super::guard::LARGEST_UNWANTED;
use super::problem::ApiError;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde_json::{Map, Number, Value};

/// The body of a call that can do without one; `None` where there is none.
pub(crate) struct Given<T>(pub Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, LARGEST_UNWANTED as usize).await.map_err(|_| ApiError::LargeBody)?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::NotJson);
        }
        read(&bytes).map(|body| Self(Some(body))).map_err(|error| ApiError::Body(error.to_string()))
    }
}

/// Reads an object. Of itself serde takes a list for one too, by the order of its fields.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let fields: Map<String, Value> = serde_json::from_slice(bytes)?;
    T::deserialize(Value::Object(fields))
}

/// Tells a field that is null from one that is not there; with `#[serde(default)]`.
pub(crate) fn null_or<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A whole number however it is written: 3.0 is one too, as JSON has it.
pub(crate) fn whole<'de, T: TryFrom<i64>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let number = Number::deserialize(deserializer)?;
    whole_of(&number)
        .ok_or_else(|| D::Error::custom(format!("{number} is not a whole number, or out of range")))
}

/// As [`whole`], many of them.
pub(crate) fn wholes<'de, T: TryFrom<i64>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let numbers = Vec::<Number>::deserialize(deserializer)?;
    let wrong = |number| D::Error::custom(format!("{number} is not a whole number, or out of range"));
    numbers.iter().map(|number| whole_of(number).ok_or_else(|| wrong(number))).collect()
}

fn whole_of<T: TryFrom<i64>>(number: &Number) -> Option<T> {
    let written_as_one = || number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < EXACT);
    T::try_from(number.as_i64().or_else(|| written_as_one().map(|it| it as i64))?).ok()
}

/// Beyond this, doubles are not exact.
const EXACT: f64 = (1_u64 << 53) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Counted {
        #[serde(deserialize_with = "whole")]
        one: u32,
        #[serde(deserialize_with = "wholes")]
        many: Vec<i64>,
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point_and_nothing_else_is_one() {
        let counted = |body: &str| read::<Counted>(body.as_bytes()).map_err(|error| error.to_string());
        let fine = counted(r#"{"one": 359.0, "many": [1, -2.0, 9007199254740993]}"#).expect("is read");
        assert_eq!((fine.one, fine.many), (359, vec![1, -2, 9_007_199_254_740_993]));
        for wrong in ["1.5", "-1", "4294967296", "1e300", "\"1\""] {
            let why = counted(&format!(r#"{{"one": {wrong}, "many": []}}"#)).expect_err("is refused");
            assert!(why.contains("number"), "{why}");
        }
    }

    #[derive(Debug, serde::Deserialize)]
    struct Pair {
        #[serde(default, deserialize_with = "null_or")]
        a: Option<Option<u8>>,
    }

    #[test]
    fn a_field_that_is_null_is_told_from_one_that_is_not_there() {
        let a =
            |body: &str| read::<Pair>(body.as_bytes()).map(|pair| pair.a).map_err(|error| error.to_string());
        assert_eq!(
            (a("{}"), a(r#"{"a": null}"#), a(r#"{"a": 1}"#)),
            (Ok(None), Ok(Some(None)), Ok(Some(Some(1))))
        );
    }

    #[test]
    fn only_an_object_is_one() {
        for body in ["[null]", "null", "1", ""] {
            assert!(read::<Pair>(body.as_bytes()).is_err(), "{body}");
        }
    }
}
