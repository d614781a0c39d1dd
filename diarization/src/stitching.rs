//! Stitching: overlapping windows, each with its own numbering of local speakers, become three slots on one time line.
//!
//! Each window's local speakers are assigned to the slots whose running average they agree with best, then averaged in
//! with a Hamming weight; a frame's most active slots are kept, as many as the windows counted on average (the
//! aggregation of Bredin & Laurent 2021, done in order so that it needs no later pass).

use crate::blocks::{STEP_FRAMES, WINDOW_FRAMES};
use crate::segmentation::{LOCAL_SPEAKERS, WindowActivity};

/// Most speakers that can be active at once in one frame.
const MOST_AT_ONCE: usize = 2;
/// Weight with which agreement decides between assignments of equal distance.
const INTERSECTION_BONUS: f32 = 1e-3;

/// All one-to-one assignments of local speakers to slots: `PERMUTATIONS[i][local] = slot`.
const PERMUTATIONS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Joins consecutive windows into slots. `windows[i]` begins at frame `i * STEP_FRAMES` of the result, which has
/// `frames` frames; each is a bit set of active slots.
pub fn stitch(windows: &[WindowActivity], frames: usize) -> Vec<u8> {
    let mut average = Running::new(frames);
    let weights = window_weights();
    for (index, window) in windows.iter().enumerate() {
        let first = index * STEP_FRAMES;
        let window = &window[..WINDOW_FRAMES.min(frames.saturating_sub(first))];
        let slots = average.best_assignment(first, window);
        average.add(first, window, slots, &weights);
    }
    (0..frames).map(|frame| average.active_slots(frame)).collect()
}

/// Weight of each frame of a window: a Hamming window, raised so that borders still count.
fn window_weights() -> Vec<f32> {
    let last = (WINDOW_FRAMES - 1) as f64;
    (0..WINDOW_FRAMES)
        .map(|i| (0.9 * (0.54 - 0.46 * (std::f64::consts::TAU * i as f64 / last).cos()) + 0.1) as f32)
        .collect()
}

fn is_active(bits: u8, speaker: usize) -> bool {
    bits >> speaker & 1 == 1
}

/// Weighted sums over the windows so far, per frame.
struct Running {
    activity: Vec<[f32; LOCAL_SPEAKERS]>,
    weight: Vec<f32>,
    count: Vec<f32>,
}

impl Running {
    fn new(frames: usize) -> Self {
        Self {
            activity: vec![[0.0; LOCAL_SPEAKERS]; frames],
            weight: vec![0.0; frames],
            count: vec![0.0; frames],
        }
    }

    /// The assignment with the least L1 distance between the window and the average, over the frames both know.
    fn best_assignment(&self, first: usize, window: &[u8]) -> [usize; LOCAL_SPEAKERS] {
        let mut local = [0.0_f32; LOCAL_SPEAKERS];
        let mut slot = [0.0_f32; LOCAL_SPEAKERS];
        let mut intersection = [[0.0_f32; LOCAL_SPEAKERS]; LOCAL_SPEAKERS];
        for (i, &bits) in window.iter().enumerate() {
            let weight = self.weight[first + i];
            if weight <= 0.0 {
                continue;
            }
            for s in 0..LOCAL_SPEAKERS {
                let mean = self.activity[first + i][s] / weight;
                slot[s] += mean;
                for l in (0..LOCAL_SPEAKERS).filter(|&l| is_active(bits, l)) {
                    intersection[l][s] += mean;
                }
            }
            for l in (0..LOCAL_SPEAKERS).filter(|&l| is_active(bits, l)) {
                local[l] += 1.0;
            }
        }
        let cost = |slots: &[usize; LOCAL_SPEAKERS]| -> f32 {
            (0..LOCAL_SPEAKERS)
                .map(|l| {
                    let s = slots[l];
                    local[l] + slot[s] - (2.0 + INTERSECTION_BONUS) * intersection[l][s]
                })
                .sum()
        };
        let mut best = PERMUTATIONS[0];
        for candidate in &PERMUTATIONS[1..] {
            if cost(candidate) < cost(&best) {
                best = *candidate;
            }
        }
        best
    }

    fn add(&mut self, first: usize, window: &[u8], slots: [usize; LOCAL_SPEAKERS], weights: &[f32]) {
        for (i, (&bits, &weight)) in window.iter().zip(weights).enumerate() {
            for (local, &slot) in slots.iter().enumerate() {
                if is_active(bits, local) {
                    self.activity[first + i][slot] += weight;
                }
            }
            self.weight[first + i] += weight;
            self.count[first + i] += weight * bits.count_ones() as f32;
        }
    }

    fn active_slots(&self, frame: usize) -> u8 {
        if self.weight[frame] <= 0.0 {
            return 0;
        }
        let count = (self.count[frame] / self.weight[frame]).round_ties_even() as usize;
        let mut slots = [0, 1, 2];
        slots.sort_by(|&a, &b| self.activity[frame][b].total_cmp(&self.activity[frame][a]));
        slots.iter().take(count.min(MOST_AT_ONCE)).fold(0, |bits, slot| bits | 1 << slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn permuted(bits: u8, slots: [usize; 3]) -> u8 {
        (0..3).filter(|&l| is_active(bits, l)).fold(0, |out, l| out | 1 << slots[l])
    }

    /// Windows cut from one time line of two speakers.
    fn conversation() -> Vec<WindowActivity> {
        let line = |frame: usize| -> u8 {
            match frame / 100 % 5 {
                0 => 0b001,
                1 => 0b010,
                2 => 0b011,
                3 => 0,
                _ => 0b010,
            }
        };
        (0..8)
            .map(|w| {
                let mut window = [0; WINDOW_FRAMES];
                for (i, frame) in window.iter_mut().enumerate() {
                    *frame = line(w * STEP_FRAMES + i);
                }
                window
            })
            .collect()
    }

    proptest! {
        #[test]
        fn the_numbering_inside_later_windows_does_not_matter(choices in prop::collection::vec(0_usize..6, 8)) {
            let windows = conversation();
            let frames = 7 * STEP_FRAMES + WINDOW_FRAMES;
            let mut renumbered = windows.clone();
            for (window, &choice) in renumbered.iter_mut().zip(&choices).skip(1) {
                for bits in window.iter_mut() {
                    *bits = permuted(*bits, PERMUTATIONS[choice]);
                }
            }
            prop_assert_eq!(stitch(&renumbered, frames), stitch(&windows, frames));
        }
    }

    #[test]
    fn frames_past_the_recording_are_cut() {
        assert_eq!(stitch(&conversation()[..1], 50), vec![1; 50]);
    }

    #[test]
    fn a_frame_no_window_covers_is_silent() {
        let found = stitch(&[[0b001; WINDOW_FRAMES]], WINDOW_FRAMES + 5);
        assert_eq!(&found[WINDOW_FRAMES..], [0; 5]);
    }
}
