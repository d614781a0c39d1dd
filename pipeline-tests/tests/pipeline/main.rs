//! The whole pipeline: real processes, real servers, real models, real speech. The oracle diarizes the same file in this
//! process. Started by deploy/test.

mod batches;
mod callers;
mod channels;
mod corrections;
mod crashes;
mod credentials;
mod dashboards;
mod erasure;
mod formats;
mod hanging;
mod hints;
mod lost;
mod pausing;
mod poison;
mod results;
mod runs;
mod shown;
mod standing_still;
mod stopping;
mod traces;

use diarization::diarize::{Diarization, Settings};
use diarization::labels::LabelScheme;
use pipeline_tests::oracle;
use std::path::PathBuf;

/// Three minutes of two people; four blocks, the last of them a fifth of a second.
const STEM: &str = "interview_3min";

fn interview() -> PathBuf {
    oracle::sample("interview_3min.opus")
}

fn interview_settings() -> Settings {
    Settings { labels: LabelScheme::Interview, ..Settings::default() }
}

async fn interview_oracle() -> Diarization {
    oracle::diarize(&interview(), interview_settings()).await
}
