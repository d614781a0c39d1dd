//! Reading: a recording's analyses are read page by page and labelled. What `throughline diarize` does past inference, without
//! ever holding more than a page of analyses.

use crate::analysis::OneDimension;
use crate::chunks::{self, Pinned};
use diarization::analysis::BlockAnalysis;
use diarization::diarize::Settings;
use diarization::labelled::Labelled;
use diarization::labelling::Labelling;
use diarization::survey::Survey;
use std::ops::Range;

/// A recording to be read.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Models, configuration and chunks that its analyses are of.
    pub pinned: Pinned,
    /// Number of its chunks.
    pub chunk_count: i32,
    /// Settings that the uploader asked for.
    pub settings: Settings,
}

/// Reason why a recording could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database failed, or what it holds is no analysis.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// It is no longer what it was when the reading began.
    #[error("the recording has changed while it was read")]
    Changed,
    /// The stored data cannot be used, however often it is tried.
    #[error("what is stored of the recording cannot be used: {0}")]
    Unusable(String),
}

fn unusable(why: impl ToString) -> ReadError {
    ReadError::Unusable(why.to_string())
}

/// The first reading: gathers what it takes to decide which voices speak in the recording. `page` gives the blocks of a run of chunks.
pub async fn survey<E>(
    mut page: impl AsyncFnMut(Range<i32>) -> Result<Vec<BlockAnalysis>, E>,
    recording: &Recording,
) -> Result<Survey, ReadError>
where
    ReadError: From<E>,
{
    let mut survey = Survey::new(recording.settings.clone());
    let mut dimension = OneDimension::default();
    for range in chunks::pages(recording.chunk_count, recording.pinned.chunk_blocks) {
        for block in page(range).await? {
            dimension.check(&block).map_err(unusable)?;
            survey.push(&block).map_err(unusable)?;
        }
    }
    Ok(survey)
}

/// The second reading: gives every piece its speaker. `page` gives the same as in the first.
pub async fn label<E>(
    mut page: impl AsyncFnMut(Range<i32>) -> Result<Vec<BlockAnalysis>, E>,
    recording: &Recording,
    mut labelling: Labelling,
) -> Result<Labelled, ReadError>
where
    ReadError: From<E>,
{
    for range in chunks::pages(recording.chunk_count, recording.pinned.chunk_blocks) {
        for block in page(range).await? {
            labelling.push(&block).map_err(unusable)?;
        }
    }
    labelling.labelled().map_err(unusable)
}
