//! Oracle: the same recording diarized in this process, by the functions that `throughline diarize` calls.

use diarization::analysis::{self, BlockAnalysis};
use diarization::audio::{self, GiveUp, Wish};
use diarization::blocks::DEFAULT_CHUNK_BLOCKS;
use diarization::chunks::{ChunkAudio, Chunker};
use diarization::diarize::{Diarization, Diarizer, Settings};
use diarization::features::FilterBank;
use diarization::installation;
use diarization::matching::{ReferenceSet, speakers_of};
use diarization::onnx::{Device, Models};
use diarization::timeline::{self, Turn};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

type Analysed = Arc<OnceLock<Arc<Vec<BlockAnalysis>>>>;

/// Analyses computed so far, by models and recording.
static ANALYSED: OnceLock<Mutex<HashMap<(PathBuf, PathBuf), Analysed>>> = OnceLock::new();

/// A sample of deploy/samples.
pub fn sample(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples").join(name);
    assert!(path.is_file(), "{} is missing", path.display());
    path
}

/// The diarization of `path`. Its analysis is computed once per file, however many tests ask.
pub async fn diarize(path: &Path, settings: Settings) -> Diarization {
    fold(blocks(path, &installation::models()).await, settings).await
}

/// The diarization of a recording with this analysis.
pub async fn fold(blocks: Arc<Vec<BlockAnalysis>>, settings: Settings) -> Diarization {
    let fold = move || {
        let mut diarizer = Diarizer::new(settings);
        for block in blocks.iter() {
            diarizer.push(block.clone()).expect("blocks come in order");
        }
        diarizer.finish()
    };
    tokio::task::spawn_blocking(fold).await.expect("the oracle answers")
}

/// The analysis of `path` with the models in the folder `models`, block by block; computed once per file.
pub async fn blocks(path: &Path, models: &Path) -> Arc<Vec<BlockAnalysis>> {
    let (path, models) = (path.to_owned(), models.to_owned());
    let all = ANALYSED.get_or_init(Mutex::default);
    let of = (models.clone(), path.clone());
    let analysed = all.lock().expect("no test panics here").entry(of).or_default().clone();
    let look = move || analysed.get_or_init(|| Arc::new(analyse(&path, &models))).clone();
    tokio::task::spawn_blocking(look).await.expect("the oracle answers")
}

/// The turns that are shown while the first `blocks` of a recording are matched and no more: by start and speaker, each with its label.
pub fn provisional(blocks: &[BlockAnalysis], settings: &Settings) -> Vec<(Turn, String)> {
    let mut references = ReferenceSet::default();
    let choices: Vec<_> =
        blocks.iter().flat_map(|block| references.match_block(&block.pieces, &settings.hints)).collect();
    let turns = timeline::turns(blocks, &speakers_of(&choices));
    turns.into_iter().map(|turn| (turn, settings.labels.label(turn.speaker))).collect()
}

fn analyse(path: &Path, models: &Path) -> Vec<BlockAnalysis> {
    let mut models = Models::load(models, &installation::onnx_runtime(), Device::Cpu).expect("models load");
    let mut filter_bank = FilterBank::default();
    let stream = audio::open_for(path, Wish::default(), u64::MAX, &GiveUp::default());
    let mut stream = stream.expect("the recording opens");
    let mut chunker = Chunker::new(DEFAULT_CHUNK_BLOCKS);
    let mut blocks = Vec::new();
    let mut take = |chunk: ChunkAudio| {
        let found = analysis::analyse(&mut models, &mut filter_bank, chunk.chunk, &chunk.channels);
        blocks.extend(found.expect("the chunk is analysed"));
    };
    while let Some(channels) = stream.next_channels().expect("the recording decodes") {
        chunker.push(&channels).into_iter().for_each(&mut take);
    }
    chunker.finish().into_iter().for_each(&mut take);
    blocks
}
