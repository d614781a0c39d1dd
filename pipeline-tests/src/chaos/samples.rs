//! Samples: what is uploaded, and what must come of it.

use super::release::Release;
use crate::oracle;
use diarization::analysis::BlockAnalysis;
use diarization::audio;
use diarization::blocks::SAMPLE_RATE;
use diarization::diarize::{Diarization, Settings};
use diarization::hints::Hints;
use diarization::labels::LabelScheme;
use diarization::timeline::Turn;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file with the options it is uploaded with.
pub struct Sample {
    /// Name; recordings of it are called so, with a number behind it.
    pub name: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Options of the upload.
    pub options: Vec<(&'static str, &'static str)>,
    /// Expected result with the models of each release.
    pub made: Vec<Made>,
}

/// Result of a sample in one process, with the models of one release.
pub struct Made {
    /// Version of the models.
    pub model_version: String,
    /// The result.
    pub expected: Diarization,
    chunk_blocks: usize,
    settings: Settings,
    blocks: Arc<Vec<BlockAnalysis>>,
}

impl Made {
    /// Number of chunks.
    pub fn chunks(&self) -> usize {
        self.blocks.len().div_ceil(self.chunk_blocks)
    }

    /// The turns that are shown while the first `chunks` of its chunks are matched.
    pub fn provisional(&self, chunks: usize) -> Vec<(Turn, String)> {
        let blocks = (chunks * self.chunk_blocks).min(self.blocks.len());
        oracle::provisional(&self.blocks[..blocks], &self.settings)
    }
}

impl Sample {
    async fn new(
        releases: &[Release],
        name: &'static str,
        path: PathBuf,
        options: Vec<(&'static str, &'static str)>,
        settings: Settings,
    ) -> Self {
        let chunk_blocks = options.iter().find(|(key, _)| *key == "chunk_blocks").expect("all say so").1;
        let chunk_blocks = chunk_blocks.parse().expect("a number");
        let mut made = Vec::new();
        for release in releases {
            let blocks = oracle::blocks(&path, &release.models).await;
            let expected = oracle::fold(Arc::clone(&blocks), settings.clone()).await;
            let (model_version, settings) = (release.model_version.clone(), settings.clone());
            made.push(Made { model_version, expected, chunk_blocks, settings, blocks });
        }
        let voices =
            |made: &Made| made.expected.speakers.iter().map(|s| s.embedding.clone()).collect::<Vec<_>>();
        assert_ne!(voices(&made[0]), voices(&made[1]), "of {name}, both releases make the same");
        Self { name, path, options, made }
    }

    /// Number of its chunks.
    pub fn chunks(&self) -> usize {
        self.made[0].chunks()
    }

    /// The file's name without its ending.
    pub fn stem(&self) -> String {
        self.path.file_stem().expect("a file").to_string_lossy().into_owned()
    }

    /// Result of one process with the models of this version; `None` where no release has them.
    pub fn made_by(&self, model_version: &str) -> Option<&Made> {
        self.made.iter().find(|made| made.model_version == model_version)
    }
}

/// The samples of a run, written to `folder` where they are excerpts; with the 20-minute one if `long`.
pub async fn samples(folder: &Path, releases: &[Release], long: bool) -> Vec<Sample> {
    let interview = || Settings { labels: LabelScheme::Interview, ..Settings::default() };
    let two = || Settings {
        hints: Hints::new(Some(2), None, None, Default::default()).expect("hints"),
        ..Settings::default()
    };
    let short = oracle::sample("interview_3min.opus");
    let cut =
        |name: &str, from: &Path, seconds: std::ops::Range<usize>| excerpt(&folder.join(name), from, seconds);
    let excerpt = cut("excerpt.wav", &short, 60..160);
    let mut samples = vec![
        Sample::new(
            releases,
            "interview",
            short.clone(),
            vec![("labels", "interview"), ("chunk_blocks", "1")],
            interview(),
        )
        .await,
        Sample::new(releases, "excerpt", excerpt, vec![("num_speakers", "2"), ("chunk_blocks", "1")], two())
            .await,
        Sample::new(
            releases,
            "interview-in-twos",
            short,
            vec![("labels", "interview"), ("chunk_blocks", "2")],
            interview(),
        )
        .await,
    ];
    if long {
        let whole = oracle::sample("interview_20min.opus");
        let part = cut("part.wav", &whole, 300..700);
        let plain = vec![("chunk_blocks", "1")];
        samples.push(Sample::new(releases, "part", part, plain, Settings::default()).await);
        let options = vec![("labels", "interview"), ("chunk_blocks", "3")];
        samples.push(Sample::new(releases, "long-interview", whole, options, interview()).await);
    }
    samples
}

/// A part of a recording as 16-bit PCM.
fn excerpt(path: &Path, from: &Path, seconds: std::ops::Range<usize>) -> PathBuf {
    let mut stream = audio::open(from).expect("opens");
    let mut samples = Vec::new();
    let rate = SAMPLE_RATE as usize;
    while samples.len() < seconds.end * rate
        && let Some(part) = stream.next_samples().expect("decodes")
    {
        samples.extend(part);
    }
    let data: Vec<u8> = samples[seconds.start * rate..seconds.end * rate]
        .iter()
        .flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes())
        .collect();
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + data.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend([SAMPLE_RATE.to_le_bytes(), (SAMPLE_RATE * 2).to_le_bytes()].concat());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    std::fs::write(path, wav).expect("writes");
    path.to_owned()
}
