//! However a recording is cut into chunks, and in whatever order they come back, the result is the same to the byte.

mod support {
    pub mod analyses;
    pub mod audio;
    pub mod call;
    pub mod models;
}

use diarization::analysis::{self, BlockAnalysis};
use diarization::blocks::{
    BLOCK_FRAMES, BLOCK_SAMPLES, SAMPLE_RATE, STEP_SAMPLES, TAIL_SAMPLES, WINDOW_FRAMES, WINDOW_SAMPLES,
    frame_count,
};
use diarization::diarize::{Diarization, Diarizer, Settings};
use diarization::embedding::{EmbeddingModel, pooled_frames};
use diarization::features::{FilterBank, MEL_BINS};
use diarization::labelling::Changed;
use diarization::onnx::ModelError;
use diarization::segmentation::{self, BATCH, CLASSES, SegmentationModel};
use diarization::survey::Survey;
use diarization::timeline::Turn;
use diarization::training::Bounds;
use diarization::{pcm, rttm, stitching};
use proptest::prelude::*;
use std::sync::LazyLock;
use support::analyses::{in_chunks, of_channels};

/// A simulated interview of 180 s, as it is heard, in 16 bits: three blocks and a bit of a fourth.
static INTERVIEW: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut samples = support::audio::samples("../deploy/samples/interview_3min.opus");
    samples.chunks_mut(pcm::STRETCH).for_each(pcm::round);
    samples
});

/// The interview's analyses with one block per chunk.
static BLOCK_BY_BLOCK: LazyLock<Vec<Vec<BlockAnalysis>>> =
    LazyLock::new(|| in_chunks(&mut support::models::load(), &INTERVIEW, 1));

fn diarize(blocks: impl IntoIterator<Item = BlockAnalysis>) -> Diarization {
    let mut diarizer = Diarizer::new(Settings::default());
    for block in blocks {
        diarizer.push(block).expect("blocks are in order");
    }
    diarizer.finish()
}

fn rttm_text(blocks: impl IntoIterator<Item = BlockAnalysis>) -> String {
    rttm::write(&diarize(blocks).segments("interview"))
}

/// Equal, and every embedding equal in every bit (which `==` on floats is not: -0.0 == 0.0).
fn assert_identical(found: &[BlockAnalysis], expected: &[BlockAnalysis], what: &str) {
    let bits = |blocks: &[BlockAnalysis]| -> Vec<u32> {
        let pieces = blocks.iter().flat_map(|block| &block.pieces);
        pieces.flat_map(|piece| piece.embedding.iter().flatten()).map(|x| x.to_bits()).collect()
    };
    assert!(found == expected && bits(found) == bits(expected), "{what}: the analyses differ");
}

#[test]
fn the_length_of_a_chunk_changes_neither_the_analysis_nor_the_rttm() {
    let mut models = support::models::load();
    let one_by_one = BLOCK_BY_BLOCK.concat();
    assert_eq!(one_by_one.len(), 4);
    assert!(one_by_one.iter().any(|block| block.pieces.iter().any(|piece| piece.embedding.is_some())));
    for chunk_blocks in [2, 4, 5] {
        let chunks = in_chunks(&mut models, &INTERVIEW, chunk_blocks);
        assert_eq!(chunks.len(), 4_usize.div_ceil(chunk_blocks));
        let blocks = chunks.concat();
        assert_identical(&blocks, &one_by_one, &format!("{chunk_blocks} blocks per chunk"));
        assert_eq!(rttm_text(blocks), rttm_text(one_by_one.clone()), "{chunk_blocks} blocks per chunk");
    }
}

#[test]
fn past_the_bound_of_one_level_the_length_of_a_chunk_changes_nothing_either() {
    let mut models = support::models::load();
    let two_levels = |blocks: Vec<BlockAnalysis>| {
        let mut diarizer = Diarizer::within(Settings::default(), Bounds { most: 30, group: 16 });
        for block in blocks {
            diarizer.push(block).expect("blocks are in order");
        }
        let found = diarizer.finish();
        let voices: Vec<u32> =
            found.speakers.iter().flat_map(|speaker| &speaker.embedding).map(|x| x.to_bits()).collect();
        (rttm::write(&found.segments("interview")), voices)
    };
    let (turns, voices) = two_levels(BLOCK_BY_BLOCK.concat());
    assert_eq!(turns, rttm_text(BLOCK_BY_BLOCK.concat()), "two levels find who spoke when");
    let one_level = diarize(BLOCK_BY_BLOCK.concat());
    let one_level = one_level.speakers.iter().flat_map(|speaker| &speaker.embedding).map(|x| x.to_bits());
    assert_ne!(voices, one_level.collect::<Vec<u32>>(), "and are at work");
    for chunk_blocks in [2, 4] {
        let chunks = in_chunks(&mut models, &INTERVIEW, chunk_blocks).concat();
        assert!(two_levels(chunks) == (turns.clone(), voices.clone()), "{chunk_blocks} blocks per chunk");
    }
}

#[test]
fn read_twice_block_by_block_a_recording_is_what_it_is_when_kept() {
    let blocks = BLOCK_BY_BLOCK.concat();
    let mut survey = Survey::new(Settings::default());
    for block in &blocks {
        survey.push(block).expect("blocks are in order");
    }
    let labelling = survey.decide();
    let read = |blocks: &[BlockAnalysis]| {
        let mut labelling = labelling.clone();
        blocks.iter().try_for_each(|block| labelling.push(block))?;
        labelling.finish()
    };
    assert_eq!(read(&blocks), Ok(diarize(blocks.clone())));
    let last = blocks.len() - 1;
    assert_eq!(read(&blocks[..last]), Err(Changed { block: last }), "a block is missing");
    assert_eq!(read(&blocks[1..]), Err(Changed { block: 0 }), "the first is missing");
    assert_eq!(
        read(&[blocks.clone(), blocks.clone()].concat()),
        Err(Changed { block: last + 1 }),
        "too many"
    );
    let mut silenced = blocks;
    silenced[1].pieces.pop();
    assert_eq!(read(&silenced), Err(Changed { block: 2 }), "a piece is missing");
}

#[test]
fn of_a_call_with_a_speaker_on_each_channel_the_length_of_a_chunk_changes_nothing_either() {
    let mut models = support::models::load();
    let call = support::call::call(135.0, 0.5, 0.03);
    let channels = [&call.channels[0][..], &call.channels[1][..]];
    let one_by_one = of_channels(&mut models, &channels, 1).concat();
    assert_eq!(one_by_one.len(), 3);
    for slots in [0..3, 3..6] {
        let pieces =
            one_by_one.iter().flat_map(|block| &block.pieces).filter(|piece| slots.contains(&piece.slot));
        assert!(pieces.filter(|piece| piece.embedding.is_some()).count() > 10, "both channels have pieces");
    }
    for chunk_blocks in [2, 4] {
        let blocks = of_channels(&mut models, &channels, chunk_blocks).concat();
        assert_identical(&blocks, &one_by_one, &format!("{chunk_blocks} blocks per chunk"));
        assert_eq!(rttm_text(blocks), rttm_text(one_by_one.clone()), "{chunk_blocks} blocks per chunk");
    }
    let unblocked = analysis::analyse_unblocked(
        &mut models,
        &mut FilterBank::default(),
        &channels.map(|it| &it[..800_000]),
    );
    let within_a_block = of_channels(&mut models, &channels.map(|it| &it[..800_000]), 1).concat();
    assert_identical(&[unblocked.expect("it analyses")], &within_a_block, "as if there were no blocks");
}

#[test]
fn a_channel_of_a_call_that_nobody_else_is_heard_on_is_analysed_as_if_it_were_alone() {
    let mut models = support::models::load();
    let silence = vec![0.0; INTERVIEW.len()];
    let alone = BLOCK_BY_BLOCK.concat();
    for channel in [0, 1] {
        let mut channels = [&silence[..]; 2];
        channels[channel] = &INTERVIEW;
        let mut blocks = of_channels(&mut models, &channels, 2).concat();
        for block in &mut blocks {
            block.slots.iter_mut().for_each(|bits| *bits >>= 3 * channel);
            block.pieces.iter_mut().for_each(|piece| piece.slot -= 3 * channel as u8);
        }
        assert_identical(&blocks, &alone, &format!("channel {channel}"));
    }
}

#[test]
fn an_analysis_that_was_sent_as_json_arrives_as_it_was() {
    let sent = serde_json::to_string(&BLOCK_BY_BLOCK.concat()).expect("it is written");
    let received: Vec<BlockAnalysis> = serde_json::from_str(&sent).expect("it is read");
    assert_identical(&received, &BLOCK_BY_BLOCK.concat(), "through JSON");
}

#[test]
fn a_recording_of_one_block_is_analysed_as_if_there_were_no_blocks() {
    let mut models = support::models::load();
    for seconds in [0, 3, 45] {
        let samples = &INTERVIEW[..seconds * SAMPLE_RATE as usize];
        let unblocked = analysis::analyse_unblocked(&mut models, &mut FilterBank::default(), &[samples]);
        let unblocked = [unblocked.expect("it analyses")];
        let mut blocks = in_chunks(&mut models, samples, 1).concat();
        if blocks.is_empty() {
            blocks = vec![BlockAnalysis { block: 0, slots: vec![], pieces: vec![] }];
        }
        assert_identical(&unblocked, &blocks, &format!("{seconds} s"));
    }
}

#[test]
fn a_frame_has_as_many_speakers_in_its_block_as_in_the_whole_recording() {
    let mut models = support::models::load();
    let windows = (INTERVIEW.len() - WINDOW_SAMPLES).div_ceil(STEP_SAMPLES);
    let activity = segmentation::segment(&mut models, &INTERVIEW, 0, 0..=windows).expect("it segments");
    let whole = stitching::stitch(&activity, frame_count(INTERVIEW.len()));
    let in_blocks: Vec<u8> = BLOCK_BY_BLOCK.iter().flatten().flat_map(|block| block.slots.clone()).collect();
    let count = |slots: &[u8]| slots.iter().map(|bits| bits.count_ones()).collect::<Vec<_>>();
    assert!(count(&whole).contains(&2), "somebody talks over somebody");
    let differing: Vec<usize> =
        (0..whole.len()).filter(|&i| whole[i].count_ones() != in_blocks[i].count_ones()).collect();
    assert_eq!(whole.len(), in_blocks.len());
    assert!(differing.is_empty(), "{} frames differ, the first is {:?}", differing.len(), differing.first());
}

#[test]
fn a_window_has_the_same_log_probabilities_at_any_place_of_a_batch_and_in_any_company() {
    let mut models = support::models::load();
    let mut probabilities = |place: usize, company: Option<usize>| -> Vec<u32> {
        let mut batch = vec![0.0; BATCH * WINDOW_SAMPLES];
        for (row, samples) in batch.chunks_exact_mut(WINDOW_SAMPLES).enumerate() {
            let first = company.map(|offset| offset + row * STEP_SAMPLES);
            match if row == place { Some(0) } else { first } {
                Some(first) => samples.copy_from_slice(&INTERVIEW[first..first + WINDOW_SAMPLES]),
                None => samples.fill(0.0),
            }
        }
        let all = models.log_probabilities(&batch).expect("the model runs");
        let window = all.chunks_exact(WINDOW_FRAMES * CLASSES).nth(place).expect("the batch has such a row");
        window.iter().map(|x| x.to_bits()).collect()
    };
    let alone = probabilities(0, None);
    for place in 0..BATCH {
        for company in [None, Some(STEP_SAMPLES), Some(60 * 16_000)] {
            assert!(probabilities(place, company) == alone, "row {place} beside {company:?} differs");
        }
    }
}

/// A speaker's turns do not overlap or touch, nobody speaks past the last frame, turns are in order of time.
fn assert_sound(turns: &[Turn], speakers: usize, samples: usize) {
    assert!(turns.is_sorted_by_key(|turn| turn.first_frame), "{samples} samples: turns are in order");
    for turn in turns {
        assert!(turn.first_frame < turn.end_frame, "{samples} samples: {turn:?} has a length");
        assert!(turn.end_frame <= frame_count(samples), "{samples} samples: {turn:?} lies in the recording");
        assert!(turn.speaker < speakers, "{samples} samples: {turn:?} has a known speaker");
    }
    for speaker in 0..speakers {
        let own: Vec<&Turn> = turns.iter().filter(|turn| turn.speaker == speaker).collect();
        for pair in own.windows(2) {
            assert!(pair[0].end_frame < pair[1].first_frame, "{samples} samples: {pair:?} overlap or touch");
        }
    }
}

#[test]
fn a_recording_may_end_anywhere() {
    let mut models = support::models::load();
    let around_a_window = [1, 399, 400, 16_000, WINDOW_SAMPLES - 1, WINDOW_SAMPLES, WINDOW_SAMPLES + 1];
    let around_a_block = [-1, 0, 1, 160, TAIL_SAMPLES as isize, TAIL_SAMPLES as isize + 1]
        .map(|more| BLOCK_SAMPLES.saturating_add_signed(more));
    for length in around_a_window.into_iter().chain(around_a_block) {
        let samples = &INTERVIEW[..length];
        let blocks = in_chunks(&mut models, samples, 1).concat();
        assert_eq!(blocks.len(), length.div_ceil(BLOCK_SAMPLES), "{length} samples");
        let frames: usize = blocks.iter().map(|block| block.slots.len()).sum();
        assert_eq!(frames, frame_count(length), "{length} samples");
        assert!(blocks.iter().all(|block| block.slots.len() <= BLOCK_FRAMES), "{length} samples");
        assert_identical(&in_chunks(&mut models, samples, 2).concat(), &blocks, &format!("{length} samples"));
        let found = diarize(blocks);
        assert_sound(&found.turns, found.speakers.len(), length);
        assert_eq!(found.turns.is_empty(), length < 16_000, "{length} samples: {:?}", found.turns);
    }
}

#[test]
fn the_turns_of_the_whole_interview_are_sound() {
    let found = diarize(BLOCK_BY_BLOCK.concat());
    assert_eq!(found.speakers.len(), 2);
    assert_sound(&found.turns, 2, INTERVIEW.len());
}

/// Models that react to every bit of their input, as the real ones hardly do: one other sample, another answer.
struct Sensitive;

/// Numbers that look random and follow from `values` alone.
fn scrambled(values: &[f32]) -> impl Iterator<Item = u64> {
    let mix = |state: u64, x: u64| (state ^ x).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let seed = values.iter().fold(1, |state, x| mix(state, u64::from(x.to_bits())));
    std::iter::successors(Some(seed), move |state| Some(mix(*state, 0xd1b5_4a32_d192_ed03)))
        .map(|state| state >> 33)
}

impl SegmentationModel for Sensitive {
    fn log_probabilities(&mut self, waveforms: &[f32]) -> Result<Vec<f32>, ModelError> {
        // Runs of 40 frames, so that there is speech to embed.
        let window = |samples: &[f32]| -> Vec<f32> {
            let classes = scrambled(samples).flat_map(|x| [x as usize % CLASSES; 40]);
            classes
                .take(WINDOW_FRAMES)
                .flat_map(|class| (0..CLASSES).map(move |i| f32::from(i == class)))
                .collect()
        };
        Ok(waveforms.chunks_exact(WINDOW_SAMPLES).flat_map(window).collect())
    }
}

impl EmbeddingModel for Sensitive {
    fn dimension(&self) -> usize {
        4
    }

    fn embed(&mut self, features: &[f32], masks: &[f32]) -> Result<Vec<f32>, ModelError> {
        let masks = masks.chunks_exact(pooled_frames(features.len() / MEL_BINS));
        let vector =
            |mask| scrambled(&[features, mask].concat()).take(4).map(|x| x as f32).collect::<Vec<_>>();
        Ok(masks.flat_map(vector).collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_model_however_sensitive_can_tell_how_a_recording_was_cut(
        length in 1_usize..4 * BLOCK_SAMPLES, border in prop::option::of(1_usize..4), chunk_blocks in 2_usize..6
    ) {
        // Half of the recordings end near the last sample that a block needs.
        let length = border.map_or(length, |blocks| blocks * BLOCK_SAMPLES + TAIL_SAMPLES - 2_000 + length % 4_000);
        let noise: Vec<f32> = scrambled(&[length as f32]).take(length).map(|x| x as f32 / 4e9 - 0.25).collect();
        let one_by_one = in_chunks(&mut Sensitive, &noise, 1).concat();
        prop_assert_eq!(one_by_one.len(), length.div_ceil(BLOCK_SAMPLES));
        prop_assert!(one_by_one == in_chunks(&mut Sensitive, &noise, chunk_blocks).concat());
    }

    #[test]
    fn nor_can_it_with_two_channels(
        length in 1_usize..3 * BLOCK_SAMPLES, border in prop::option::of(1_usize..3), chunk_blocks in 2_usize..5
    ) {
        let length = border.map_or(length, |blocks| blocks * BLOCK_SAMPLES + TAIL_SAMPLES - 2_000 + length % 4_000);
        // Each side is loud at its times and hears the other's noise at the others, in stretches that no block is a multiple of.
        let noise = |side: usize| -> Vec<f32> {
            let loud = |n: usize| (n / 70_001) % 2 == side;
            let seed = [length as f32, side as f32];
            scrambled(&seed).take(length).enumerate().map(|(n, x)| (x as f32 / 4e9 - 0.25) * if loud(n) { 1.0 } else { 0.02 }).collect()
        };
        let (first, second) = (noise(0), noise(1));
        let channels = [&first[..], &second[..]];
        let one_by_one = of_channels(&mut Sensitive, &channels, 1).concat();
        prop_assert_eq!(one_by_one.len(), length.div_ceil(BLOCK_SAMPLES));
        prop_assert!(one_by_one == of_channels(&mut Sensitive, &channels, chunk_blocks).concat());
    }
}
