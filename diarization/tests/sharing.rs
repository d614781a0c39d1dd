//! However many analysts share a chunk, its analysis is the same to the byte.

mod support {
    pub mod audio;
    pub mod call;
    pub mod models;
}

use diarization::analysis::{self, Analyst, BlockAnalysis};
use diarization::blocks::{BLOCK_SAMPLES, TAIL_SAMPLES, WINDOW_SAMPLES};
use diarization::chunks::Chunker;
use diarization::embedding::EmbeddingModel;
use diarization::features::FilterBank;
use diarization::onnx::ModelError;
use diarization::segmentation::{BATCH, SegmentationModel};
use std::sync::Mutex;

/// The analyses of a recording in chunks of two blocks, each shared by `models`.
fn shared<M: SegmentationModel + EmbeddingModel + Send>(
    models: &mut [M],
    channels: &[&[f32]],
) -> Result<Vec<BlockAnalysis>, ModelError> {
    let mut filter_banks: Vec<FilterBank> = models.iter().map(|_| FilterBank::default()).collect();
    let pairs = models.iter_mut().zip(&mut filter_banks);
    let mut analysts: Vec<_> = pairs.map(|(models, filter_bank)| Analyst { models, filter_bank }).collect();
    let mut chunker = Chunker::new(2);
    let mut chunks = chunker.push(channels);
    chunks.extend(chunker.finish());
    let mut blocks = Vec::new();
    for chunk in chunks {
        blocks.extend(analysis::analyse_together(&mut analysts, chunk.chunk, &chunk.channels)?);
    }
    Ok(blocks)
}

/// As bytes: every bit of every voice counts.
fn bytes(blocks: &[BlockAnalysis]) -> Vec<u8> {
    rmp_serde::to_vec(blocks).expect("it is written")
}

fn voices(blocks: &[BlockAnalysis], slots: std::ops::Range<u8>) -> usize {
    let pieces = blocks.iter().flat_map(|block| &block.pieces).filter(|piece| slots.contains(&piece.slot));
    pieces.filter(|piece| piece.embedding.is_some()).count()
}

#[test]
fn the_number_of_analysts_changes_nothing() {
    let mut models = [(); 3].map(|()| support::models::load());
    let interview = support::audio::samples("../deploy/samples/interview_3min.opus");
    let call = support::call::call(135.0, 0.5, 0.03);
    let call = [&call.channels[0][..], &call.channels[1][..]];
    let short = |length: usize| [&interview[..length]];
    let one = shared(&mut models[..1], &[&interview]).expect("it analyses");
    assert!(one.len() == 4 && voices(&one, 0..3) > 40, "{} voices", voices(&one, 0..3));
    let sides = shared(&mut models[..1], &call).expect("it analyses");
    assert!(sides.len() == 3 && voices(&sides, 0..3) > 10 && voices(&sides, 3..6) > 10, "both sides speak");
    for analysts in 2..4 {
        let found = shared(&mut models[..analysts], &[&interview]).expect("it analyses");
        assert!(bytes(&found) == bytes(&one), "{analysts} analysts");
        let found = shared(&mut models[..analysts], &call).expect("it analyses");
        assert!(bytes(&found) == bytes(&sides), "{analysts} analysts of a call");
        for length in [0, 1, 16_000, WINDOW_SAMPLES + 1, BLOCK_SAMPLES + 1, BLOCK_SAMPLES + TAIL_SAMPLES] {
            let alone = shared(&mut models[..1], &short(length)).expect("it analyses");
            let found = shared(&mut models[..analysts], &short(length)).expect("it analyses");
            assert!(bytes(&found) == bytes(&alone), "{analysts} analysts of {length} samples");
        }
    }
}

#[test]
fn each_chunk_by_one_analyst_alone_is_what_several_make_of_it() {
    let mut models = [(); 2].map(|()| support::models::load());
    let interview = support::audio::samples("../deploy/samples/interview_3min.opus");
    let together = shared(&mut models, &[&interview]).expect("it analyses");
    let mut chunker = Chunker::new(1);
    let mut chunks = chunker.push(&[&interview]);
    chunks.extend(chunker.finish());
    let mut alone = Vec::new();
    for chunk in chunks {
        let found =
            analysis::analyse(&mut models[1], &mut FilterBank::default(), chunk.chunk, &chunk.channels);
        alone.extend(found.expect("it analyses"));
    }
    assert!(bytes(&alone) == bytes(&together));
}

#[test]
fn it_is_told_in_small_steps_how_much_of_a_chunk_is_done() {
    let mut models = support::models::load();
    let interview = support::audio::samples("../deploy/samples/interview_3min.opus");
    let mut chunker = Chunker::new(3);
    let mut chunks = chunker.push(&[&interview]);
    chunks.extend(chunker.finish());
    let chunk = chunks.remove(0);
    let (told, mut filter_bank) = (Mutex::new(vec![0.0]), FilterBank::default());
    let mut analysts = [Analyst { models: &mut models, filter_bank: &mut filter_bank }];
    let tell = |share: f64| told.lock().expect("nobody panicked").push(share);
    let found = analysis::analyse_telling(&mut analysts, chunk.chunk, &chunk.channels, &tell);
    assert_eq!(found.expect("it analyses").len(), 3);
    let told = told.into_inner().expect("nobody panicked");
    assert!((told.last().expect("is told") - 1.0).abs() < 1e-9, "{told:?}");
    assert!(told.windows(2).all(|it| it[0] < it[1] && it[1] - it[0] < 0.1), "{told:?}");
    assert!(told.len() > 30, "a step for four windows, and for each stretch of speech: {told:?}");
}

/// Fails in whatever it is asked.
struct Broken;

impl SegmentationModel for Broken {
    fn log_probabilities(&mut self, waveforms: &[f32]) -> Result<Vec<f32>, ModelError> {
        assert_eq!(waveforms.len(), BATCH * WINDOW_SAMPLES);
        Err(ModelError::Cuda("no more memory".into()))
    }
}

impl EmbeddingModel for Broken {
    fn dimension(&self) -> usize {
        1
    }

    fn embed(&mut self, _: &[f32], _: &[f32]) -> Result<Vec<f32>, ModelError> {
        unreachable!("without slots there is nothing to embed")
    }
}

#[test]
fn what_fails_one_analyst_fails_the_chunk() {
    let failed = shared(&mut [Broken, Broken], &[&vec![0.1; 2 * BLOCK_SAMPLES]]);
    assert!(matches!(failed, Err(ModelError::Cuda(_))), "{failed:?}");
}
