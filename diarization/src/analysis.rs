//! Analysis: all that inference does for one chunk. What a worker sends to the matcher.

use crate::blocks::{self, BLOCK_FRAMES, BLOCK_SAMPLES, Chunk, FRAME_HOP, STEP_FRAMES, STEP_SAMPLES};
use crate::channels;
use crate::echo;
use crate::embedding::{self, EmbeddingModel, Stretch};
use crate::features::FilterBank;
use crate::onnx::ModelError;
use crate::pieces::{self, Piece};
use crate::segmentation::{self, BATCH, SegmentationModel, WindowActivity};
use crate::sharing;
use crate::stitching;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Names the numbers of this pipeline (grid, stitching, pieces, features) in force: analyses of two configurations
/// are never mixed. Raise it with every change that changes an analysis.
pub const CONFIGURATION: &str = "blocks-24x148.pieces-3s.4";

/// Results of the models for one block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockAnalysis {
    /// Number of the block in the recording.
    pub block: usize,
    /// Bit set of active slots of each frame the block owns: three bits per channel, the first channel's lowest.
    #[serde(with = "serde_bytes")]
    pub slots: Vec<u8>,
    /// Pieces of the block, by start, with frames counted from the start of the recording.
    pub pieces: Vec<Piece>,
}

/// Models, and what else a thread needs for itself to analyse.
pub struct Analyst<'a, M> {
    /// Models that infer.
    pub models: &'a mut M,
    /// Makes the features.
    pub filter_bank: &'a mut FilterBank,
}

/// Analyses the blocks of `chunk`. `channels` are one or two, each with the samples of [`Chunk::sample_range`], shorter only where the
/// recording ends; blocks past the end are left out. Deterministic for given models and device.
pub fn analyse(
    models: &mut (impl SegmentationModel + EmbeddingModel + Send),
    filter_bank: &mut FilterBank,
    chunk: Chunk,
    channels: &[impl AsRef<[f32]>],
) -> Result<Vec<BlockAnalysis>, ModelError> {
    analyse_together(&mut [Analyst { models, filter_bank }], chunk, channels)
}

/// The same by one or more analysts side by side, whose models are the same. What the models are given follows from the chunk alone, and not from who
/// gives it to them, so the result is the same to the byte.
pub fn analyse_together<M: SegmentationModel + EmbeddingModel + Send>(
    analysts: &mut [Analyst<M>],
    chunk: Chunk,
    channels: &[impl AsRef<[f32]>],
) -> Result<Vec<BlockAnalysis>, ModelError> {
    analyse_telling(analysts, chunk, channels, &|_| {})
}

/// Share of the work on a chunk that is about its windows; the rest is about the voices in it.
const SHARE_OF_WINDOWS: f64 = 0.5;

/// The same, and `told` hears what share of the work on the chunk is done, 0 to 1: after every batch of windows and every stretch of speech,
/// from whichever thread did it.
pub fn analyse_telling<M: SegmentationModel + EmbeddingModel + Send>(
    analysts: &mut [Analyst<M>],
    chunk: Chunk,
    channels: &[impl AsRef<[f32]>],
    told: Told<'_>,
) -> Result<Vec<BlockAnalysis>, ModelError> {
    let channels: Vec<&[f32]> = channels.iter().map(AsRef::as_ref).collect();
    let offset = chunk.sample_range().start;
    let end = offset + channels.first().map_or(0, |samples| samples.len());
    let present = chunk.blocks.min(blocks::block_count(end).saturating_sub(chunk.first_block));
    let block_range = chunk.first_block..chunk.first_block + present;
    // Windows shared by neighbouring blocks are computed once.
    let windows = block_range
        .clone()
        .filter_map(|block| blocks::windows_of_block(block, end))
        .reduce(|all, next| *all.start()..=*next.end());
    let first_window = windows.as_ref().map_or(0, |w| *w.start());
    let of_windows = |share: f64| told(SHARE_OF_WINDOWS * share);
    let activity = segmented(analysts, &channels, offset, windows, &of_windows)?;
    let heard = |block: usize| {
        let first_frame = block * BLOCK_FRAMES;
        let owned = BLOCK_FRAMES.min(blocks::frame_count(end) - first_frame);
        let slots_of = |activity: &[WindowActivity]| match blocks::windows_of_block(block, end) {
            Some(windows) => {
                let lead = first_frame - windows.start() * STEP_FRAMES;
                let known = blocks::frame_count(end - windows.start() * STEP_SAMPLES);
                let range = windows.start() - first_window..windows.end() - first_window + 1;
                let frames =
                    known.min((range.len() - 1) * STEP_FRAMES + blocks::WINDOW_FRAMES).max(lead + owned);
                stitching::stitch(&activity[range], frames)[lead..lead + owned].to_vec()
            }
            None => vec![0; owned],
        };
        let from = block * BLOCK_SAMPLES;
        let to = end.min(from + BLOCK_SAMPLES + blocks::TAIL_SAMPLES);
        let slots = activity.iter().map(|activity| slots_of(activity)).collect();
        Heard { channels: &channels, offset, block, samples: from..to, first_frame, slots }
    };
    let drafts = sharing::share(analysts, block_range.collect(), |analyst, block| {
        Ok::<_, ModelError>(heard(block).draft(analyst.filter_bank))
    })?;
    embedded(analysts, drafts, &|share| told(SHARE_OF_WINDOWS + (1.0 - SHARE_OF_WINDOWS) * share))
}

/// Hears of a share of work that is done, 0 to 1.
type Told<'a> = &'a (dyn Fn(f64) + Sync);

/// So much work is done of all.
struct Done<'a> {
    size: AtomicUsize,
    all: usize,
    told: Told<'a>,
}

impl<'a> Done<'a> {
    fn of(all: usize, told: Told<'a>) -> Self {
        Self { size: AtomicUsize::new(0), all, told }
    }

    fn add(&self, size: usize) {
        let done = self.size.fetch_add(size, Ordering::Relaxed) + size;
        (self.told)(done as f64 / self.all.max(1) as f64);
    }
}

/// The whole of a recording as one block as long as itself: for comparison alone, since it needs all samples at once. What it does
/// better than [`analyse`] is what the borders of blocks cost.
pub fn analyse_unblocked(
    models: &mut (impl SegmentationModel + EmbeddingModel + Send),
    filter_bank: &mut FilterBank,
    channels: &[impl AsRef<[f32]>],
) -> Result<BlockAnalysis, ModelError> {
    let channels: Vec<&[f32]> = channels.iter().map(AsRef::as_ref).collect();
    let samples = channels.first().map_or(0, |samples| samples.len());
    let frames = blocks::frame_count(samples);
    let windows = (frames > 0).then(|| 0..=blocks::last_window(samples));
    let analysts = &mut [Analyst { models, filter_bank }];
    let activity = segmented(analysts, &channels, 0, windows, &|_| {})?;
    let slots = activity.iter().map(|activity| stitching::stitch(activity, frames)).collect();
    let heard =
        Heard { channels: &channels, offset: 0, block: 0, samples: 0..samples, first_frame: 0, slots };
    let draft = heard.draft(analysts[0].filter_bank);
    Ok(embedded(analysts, vec![draft], &|_| {})?.remove(0))
}

/// Activity in each of `windows`, channel by channel. `channels` begin at sample `offset` of the recording. Batches hold the same windows
/// whichever analyst takes them.
fn segmented<M: SegmentationModel + Send>(
    analysts: &mut [Analyst<M>],
    channels: &[&[f32]],
    offset: usize,
    windows: Option<RangeInclusive<usize>>,
    told: Told<'_>,
) -> Result<Vec<Vec<WindowActivity>>, ModelError> {
    let Some(windows) = windows else { return Ok(vec![Vec::new(); channels.len()]) };
    let batches = windows.clone().step_by(BATCH).map(|first| first..=(*windows.end()).min(first + BATCH - 1));
    let tasks = channels.iter().flat_map(|samples| batches.clone().map(move |batch| (*samples, batch)));
    let done = Done::of(windows.clone().count() * channels.len(), told);
    let activity = sharing::share(analysts, tasks.collect(), |analyst, (samples, batch)| {
        let size = batch.clone().count();
        let found = segmentation::segment(analyst.models, samples, offset, batch)?;
        done.add(size);
        Ok::<_, ModelError>(found)
    })?;
    Ok(activity.concat().chunks(windows.count()).map(<[_]>::to_vec).collect())
}

/// The analyses that `drafts` become with the voices of their pieces. The longest stretches are embedded first, so that nobody is left
/// with a long one while the others are done.
fn embedded<M: EmbeddingModel + Send>(
    analysts: &mut [Analyst<M>],
    mut drafts: Vec<Draft>,
    told: Told<'_>,
) -> Result<Vec<BlockAnalysis>, ModelError> {
    let mut tasks = Vec::new();
    for (index, draft) in drafts.iter_mut().enumerate() {
        tasks.extend(draft.stretches.drain(..).map(|(first_piece, stretch)| (index, first_piece, stretch)));
    }
    tasks.sort_by_key(|(.., stretch)| Reverse(stretch.size()));
    let done = Done::of(tasks.iter().map(|(.., stretch)| stretch.size()).sum(), told);
    let voices = sharing::share(analysts, tasks, |analyst, (index, first_piece, stretch)| {
        let size = stretch.size();
        let voices = stretch.embed(analyst.models)?;
        done.add(size);
        Ok::<_, ModelError>((index, first_piece, voices))
    })?;
    for (index, first_piece, embedded) in voices {
        for (piece, voice) in embedded {
            drafts[index].analysis.pieces[first_piece + piece].embedding = voice;
        }
    }
    let finished = |Draft { mut analysis, .. }| {
        // By start, and at one start by channel: sorting keeps the order of equals.
        analysis.pieces.sort_by_key(|piece| piece.first_frame);
        analysis
    };
    Ok(drafts.into_iter().map(finished).collect())
}

/// A block whose pieces have no voices yet and stand channel by channel.
struct Draft {
    analysis: BlockAnalysis,
    /// Stretches to be embedded, each with the index of the first piece of its channel.
    stretches: Vec<(usize, Stretch)>,
}

/// A block with the slots that segmentation found on each channel.
struct Heard<'a> {
    channels: &'a [&'a [f32]],
    /// Sample of the recording that each channel begins with.
    offset: usize,
    block: usize,
    /// Samples of the recording that the block is embedded from.
    samples: Range<usize>,
    first_frame: usize,
    slots: Vec<Vec<u8>>,
}

impl Heard<'_> {
    /// Drafts the analysis from the slots: everything up to the voices.
    fn draft(mut self, filter_bank: &mut FilterBank) -> Draft {
        if let ([first, second], Ok(of_both)) =
            (self.channels, <&mut [Vec<u8>; 2]>::try_from(&mut self.slots[..]))
        {
            let reach = echo::reach(self.samples.start..self.samples.start + of_both[0].len() * FRAME_HOP);
            let within =
                |samples: &'_ [f32]| reach.start - self.offset..samples.len().min(reach.end - self.offset);
            let both = [&first[within(first)], &second[within(second)]];
            echo::silence(of_both, both, self.samples.start - reach.start);
        }
        let frames = self.slots.first().map_or(0, Vec::len);
        let mut analysis = BlockAnalysis { block: self.block, slots: vec![0; frames], pieces: Vec::new() };
        let mut stretches = Vec::new();
        for (channel, (samples, slots)) in self.channels.iter().zip(&self.slots).enumerate() {
            let mut pieces = pieces::cut(slots, self.first_frame);
            let samples = &samples[self.samples.start - self.offset..self.samples.end - self.offset];
            let found = embedding::stretches(filter_bank, samples, slots, self.first_frame, &pieces);
            let first_piece = analysis.pieces.len();
            stretches.extend(found.into_iter().map(|stretch| (first_piece, stretch)));
            let first_slot = channels::first_slot(channel);
            pieces.iter_mut().for_each(|piece| piece.slot += first_slot);
            analysis.pieces.extend(pieces);
            analysis.slots.iter_mut().zip(slots).for_each(|(all, bits)| *all |= bits << first_slot);
        }
        Draft { analysis, stretches }
    }
}
