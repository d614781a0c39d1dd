//! Reading: a recording's analyses are read page by page and labelled. What `throughline diarize` does past inference, without
//! ever holding more than a page of analyses.

use crate::analysis::OneDimension;
use crate::chunks::{self, Pinned};
use diarization::diarize::Settings;
use diarization::labelled::Labelled;
use diarization::labelling::Labelling;
use diarization::survey::Survey;
use sqlx::PgTransaction;
use tokio::task::JoinError;

/// A recording to be read.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What its analyses are of.
    pub pinned: Pinned,
    /// Number of its chunks.
    pub chunk_count: i32,
    /// What the uploader asked for.
    pub settings: Settings,
}

/// Why a recording could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database failed, or what it holds is no analysis.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// What is stored cannot be used, however often it is tried.
    #[error("what is stored of the recording cannot be used: {0}")]
    Unusable(String),
}

fn unusable(why: impl ToString) -> ReadError {
    ReadError::Unusable(why.to_string())
}

impl From<JoinError> for ReadError {
    fn from(error: JoinError) -> Self {
        Self::Unusable(format!("it could not be worked on: {error}"))
    }
}

/// The first reading: decides which voices speak in the recording.
pub async fn survey(
    transaction: &mut PgTransaction<'static>,
    recording: &Recording,
) -> Result<Labelling, ReadError> {
    let mut survey = Survey::new(recording.settings.clone());
    let mut dimension = OneDimension::default();
    for page in chunks::pages(recording.chunk_count, recording.pinned.chunk_blocks) {
        for block in chunks::blocks(transaction, &recording.pinned, page).await? {
            dimension.check(&block).map_err(unusable)?;
            survey.push(&block).map_err(unusable)?;
        }
    }
    Ok(tokio::task::spawn_blocking(move || survey.decide()).await?)
}

/// The second reading: gives every piece its speaker.
pub async fn label(
    transaction: &mut PgTransaction<'static>,
    recording: &Recording,
    mut labelling: Labelling,
) -> Result<Labelled, ReadError> {
    for page in chunks::pages(recording.chunk_count, recording.pinned.chunk_blocks) {
        for block in chunks::blocks(transaction, &recording.pinned, page).await? {
            labelling.push(&block).map_err(unusable)?;
        }
    }
    labelling.labelled().map_err(unusable)
}
