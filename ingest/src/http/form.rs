//! Form: the fields of a multipart upload, in whatever order they come; the file goes on as it is met.

use super::body::{Received, Sink};
use super::meter::Meter;
use super::options::{LONGEST_VALUE, OptionError, Options};
use super::problem::ApiError;
use super::shown::shown;
use axum::extract::multipart::{Field, Multipart};

/// Bytes that may come between the fields and their ends: heads of parts, values of options, what a parser reads ahead.
const BETWEEN: u64 = 1 << 20;

/// The file of a form, and the name its part had.
#[derive(Debug)]
pub(crate) struct File {
    pub received: Received,
    pub part_name: Option<String>,
}

/// Reads the fields of `form` into `options` and its file, of `limit` bytes at most, into `sink`. Their number is bounded
/// by what there is: each option once, and one file.
pub(crate) async fn take(
    form: &mut Multipart,
    meter: &Meter,
    options: &mut Options,
    sink: Sink<'_>,
    limit: u64,
) -> Result<File, ApiError> {
    let mut file = None;
    loop {
        meter.allow(BETWEEN);
        let Some(field) = form.next_field().await.map_err(|error| ApiError::Form(error.body_text()))? else {
            break;
        };
        match field.name().unwrap_or_default().to_owned().as_str() {
            "file" if file.is_some() => return Err(ApiError::SecondFile),
            "file" => {
                let part_name = field.file_name().map(str::to_owned);
                meter.allow_all();
                file = Some(File { received: sink.take(limit, field).await?, part_name });
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
            return Err(OptionError::LongField(shown(name)).into());
        }
    }
    Ok(String::from_utf8_lossy(&value).into_owned())
}
