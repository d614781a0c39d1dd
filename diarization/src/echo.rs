//! Echo: what one side of a call hears of the other. Segmentation hears speech however quiet it is, so that the other side's voice, 30 dB
//! down, would be a second speaker of this one.
//!
//! A frame of a channel is the other's echo where the other channel is much louder around it or was just before, and the channel itself
//! is far below the level of its own speech. Decoding has brought both sides to one level ([`SIDE_LEVEL_DB`]), so a block needs nothing but
//! its samples, and a second around it, which every chunk has: where a recording is cut changes nothing.

use crate::audio::{APART_DB, SIDE_LEVEL_DB};
use crate::blocks::FRAME_HOP;
use std::ops::Range;

/// Samples around a block that are looked at: whole hops, a second.
const MARGIN: usize = 60 * FRAME_HOP;
/// Loudness is that of so many hops on either side: half a second in all, longer than the pauses between words.
const AROUND: usize = 15;
/// So many hops later an echo may still come: 0.4 s, as over two mobile networks.
const LATER: usize = 24;
/// A segmentation frame is centred so many hops after its first sample (docs/decisions/0009).
const CENTRE: usize = 1;
/// Own speech is at most this much below the side's level, half a second on average.
const BELOW_DB: f64 = 12.0;

/// Samples of the recording that [`silence`] reads for a block whose first and last sample but one are `block`, as far as there are any.
pub fn reach(block: Range<usize>) -> Range<usize> {
    block.start.saturating_sub(MARGIN)..block.end + MARGIN
}

/// Takes out of `slots`, the active slots of each frame of a block on two channels, what is the echo of the other. `channels` are the samples of
/// [`reach`], of which the block begins at `lead`, a multiple of the frame hop.
pub fn silence(slots: &mut [Vec<u8>; 2], channels: [&[f32]; 2], lead: usize) {
    let powers = channels.map(powers);
    let first = lead / FRAME_HOP;
    for frame in 0..slots[0].len() {
        let at = first + frame + CENTRE;
        let now = [0, 1].map(|channel| around(&powers[channel], at));
        let lately = [0, 1].map(|channel| {
            (0..=LATER)
                .step_by(AROUND / 2 + 1)
                .map(|back| around(&powers[channel], at.saturating_sub(back)))
                .fold(0.0, f64::max)
        });
        for channel in 0..2 {
            if is_echo(now[channel], lately[1 - channel]) {
                slots[channel][frame] = 0;
            }
        }
    }
}

/// True where a channel with the mean square `own` hears the other channel, whose greatest mean square was lately `other`.
fn is_echo(own: f64, other: f64) -> bool {
    own * ratio(APART_DB) < other && own < ratio(SIDE_LEVEL_DB - BELOW_DB)
}

fn ratio(db: f64) -> f64 {
    10_f64.powf(db / 10.0)
}

/// Mean square of each hop; the last may be short.
fn powers(samples: &[f32]) -> Vec<f64> {
    samples
        .chunks(FRAME_HOP)
        .map(|hop| hop.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / hop.len() as f64)
        .collect()
}

/// Mean of the hops around `at`, as far as there are any.
fn around(powers: &[f64], at: usize) -> f64 {
    let last = powers.len();
    let hops = &powers[at.saturating_sub(AROUND).min(last)..(at + AROUND + 1).min(last)];
    if hops.is_empty() { 0.0 } else { hops.iter().sum::<f64>() / hops.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: usize = 600;

    /// A voice at the level of a side from one frame to another, and silence.
    fn voice(from: usize, to: usize) -> Vec<f32> {
        let loud = 10_f32.powf(SIDE_LEVEL_DB as f32 / 20.0) * std::f32::consts::SQRT_2;
        let sample = |n: usize| {
            if (from..to).contains(&(n / FRAME_HOP)) { loud * (n as f32 * 0.3).sin() } else { 0.0 }
        };
        (0..FRAMES * FRAME_HOP).map(sample).collect()
    }

    fn plus(own: &[f32], other: &[f32], db: f32, later: usize) -> Vec<f32> {
        let gain = 10_f32.powf(db / 20.0);
        own.iter()
            .enumerate()
            .map(|(n, x)| x + gain * n.checked_sub(later).map_or(0.0, |n| other[n]))
            .collect()
    }

    /// Number of frames of each channel that are left where both were thought to be active.
    fn left(a: &[f32], b: &[f32], frames: Range<usize>) -> [usize; 2] {
        let mut slots = [vec![1_u8; FRAMES], vec![1; FRAMES]];
        silence(&mut slots, [a, b], 0);
        slots.map(|slots| slots[frames.clone()].iter().filter(|bits| **bits != 0).count())
    }

    #[test]
    fn what_a_side_hears_of_the_other_is_silence_also_a_little_later() {
        let (a, b) = (voice(100, 300), voice(350, 500));
        for (db, later) in [(-20.0, 0), (-30.0, 0), (-40.0, 0), (-30.0, 4_000)] {
            let echoed = plus(&b, &a, db, later);
            assert_eq!(left(&a, &echoed, 100..300), [200, 0], "{db} dB, {later} samples later");
            assert_eq!(left(&a, &echoed, 350..500)[1], 150, "{db} dB, {later} samples later");
        }
    }

    #[test]
    fn both_are_heard_where_both_speak_and_one_who_speaks_softly_too() {
        let (a, b) = (voice(100, 500), voice(250, 400));
        assert_eq!(left(&a, &b, 265..385), [120, 120]);
        let soft: Vec<f32> = b.iter().map(|x| x * 0.3).collect();
        assert_eq!(left(&a, &soft, 265..385), [120, 120]);
    }

    #[test]
    fn alone_everybody_is_heard_however_softly() {
        let soft: Vec<f32> = voice(100, 500).iter().map(|x| x * 0.01).collect();
        assert_eq!(left(&soft, &voice(0, 0), 110..490), [380, 0]);
    }

    #[test]
    fn a_block_reaches_no_further_than_every_chunk_does() {
        use crate::blocks::{BLOCK_SAMPLES, Chunk, TAIL_SAMPLES};
        let reached = reach(3 * BLOCK_SAMPLES..4 * BLOCK_SAMPLES);
        let chunk = Chunk { first_block: 3, blocks: 1 }.sample_range();
        assert!(chunk.start <= reached.start && reached.end <= chunk.end && MARGIN <= TAIL_SAMPLES);
        const { assert!((AROUND + LATER + AROUND + CENTRE) * FRAME_HOP < MARGIN) };
        assert_eq!(reach(0..10).start, 0);
    }
}
