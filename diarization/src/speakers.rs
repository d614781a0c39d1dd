//! Speakers: every piece of a recording gets one of the voices that were found in it.

use crate::blocks::{BLOCK_FRAMES, FRAME_SECONDS};
use crate::pieces::Piece;
use crate::similarity::dot;

/// Two pieces that overlap by more than this are two speakers.
const OVERLAP_S: f64 = 0.25;
/// A piece too short to embed belongs to the nearest piece of its slot within this time.
const NEARBY_S: f64 = 3.0;
/// Weight of a piece without clean speech, in seconds.
const LEAST_WEIGHT_S: f64 = 0.05;

/// Weight of a piece's vector in seconds.
pub fn weight(piece: &Piece) -> f64 {
    Place::of(piece).weight()
}

/// What is kept of a piece for the whole recording: a dozen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First frame, counted from the start of the recording.
    pub first_frame: u32,
    /// Frames in which its slot speaks alone.
    pub clean_frames: u16,
    /// Slot inside its block.
    pub slot: u8,
    /// Whether there was enough speech to embed.
    pub is_embedded: bool,
}

impl Place {
    /// Where `piece` stands.
    pub fn of(piece: &Piece) -> Self {
        Self {
            first_frame: piece.first_frame as u32,
            clean_frames: piece.clean_frames as u16,
            slot: piece.slot,
            is_embedded: piece.embedding.is_some(),
        }
    }

    /// Weight of the piece in seconds.
    pub fn weight(&self) -> f64 {
        (f64::from(self.clean_frames) * FRAME_SECONDS).max(LEAST_WEIGHT_S)
    }

    fn block(&self) -> usize {
        self.first_frame as usize / BLOCK_FRAMES
    }
}

/// Speaker of each piece of one block: the nearest of `voices`, but two at a time where two speak at a time. `None` for pieces
/// that are too short to embed (see [`follow_neighbours`]), or without any voice.
pub fn label_block(pieces: &[Piece], voices: &[Vec<f32>]) -> Vec<Option<usize>> {
    let mut labels: Vec<Option<usize>> = pieces
        .iter()
        .map(|piece| piece.embedding.as_ref().and_then(|embedding| nearest(embedding, voices, None)))
        .collect();
    if voices.len() > 1 {
        separate_overlapping(pieces, voices, &mut labels);
    }
    labels
}

/// Index of the voice most like `embedding`, other than `except`.
pub fn nearest(embedding: &[f32], voices: &[Vec<f32>], except: Option<usize>) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (index, voice) in voices.iter().enumerate().filter(|(index, _)| Some(*index) != except) {
        let cosine = dot(embedding, voice);
        if best.is_none_or(|(_, most)| cosine > most) {
            best = Some((index, cosine));
        }
    }
    best.map(|(index, _)| index)
}

/// Two slots that speak at once are two speakers: of two overlapping pieces under one label, the less clean one takes its
/// second choice.
fn separate_overlapping(pieces: &[Piece], voices: &[Vec<f32>], labels: &mut [Option<usize>]) {
    // Pieces are at most 3 s long and in order, so whatever overlaps a piece is among the next few. None reaches over the
    // end of its block.
    const REACH: usize = 5;
    let embedded: Vec<usize> = (0..pieces.len()).filter(|&i| pieces[i].embedding.is_some()).collect();
    for (x, &i) in embedded.iter().enumerate() {
        for &j in embedded[x + 1..].iter().take(REACH) {
            let (a, b) = (&pieces[i], &pieces[j]);
            let overlap = a.shared_frames(b) as f64 * FRAME_SECONDS;
            if a.slot != b.slot && labels[i] == labels[j] && overlap > OVERLAP_S {
                let yields = if a.clean_frames < b.clean_frames { i } else { j };
                if let Some(embedding) = &pieces[yields].embedding {
                    labels[yields] = nearest(embedding, voices, labels[yields]);
                }
            }
        }
    }
}

/// Pieces too short to embed take the label of the nearest piece, of their own slot where one is near. Places are in
/// order of time.
pub fn follow_neighbours(places: &[Place], labels: &mut [Option<usize>]) {
    /// Frames within which a piece of the own slot is looked for.
    const REACH: u32 = (NEARBY_S / FRAME_SECONDS) as u32 + 1;
    let known: Vec<usize> = (0..places.len()).filter(|&i| labels[i].is_some()).collect();
    let begin = |j: &usize| places[*j].first_frame;
    let first_from = |frame: u32| known.partition_point(|j| begin(j) < frame);
    for i in (0..places.len()).filter(|&i| !places[i].is_embedded) {
        let place = places[i];
        let here = place.first_frame;
        let distance = |j: &&usize| begin(j).abs_diff(here);
        let is_beside = |j: &&usize| {
            places[**j].slot == place.slot
                && places[**j].block() == place.block()
                && f64::from(distance(j)) * FRAME_SECONDS < NEARBY_S
        };
        let around = first_from(here.saturating_sub(REACH))..first_from(here.saturating_add(REACH));
        let beside = known[around].iter().filter(is_beside).min_by_key(distance);
        let at = first_from(here);
        let neighbours = [at.checked_sub(1).and_then(|before| known.get(before)), known.get(at)];
        // Of equally near ones the first.
        let nearest = neighbours.iter().flatten().map(distance).min().and_then(|least| {
            let first = known.partition_point(|j| begin(j).saturating_add(least) < here);
            known.get(first)
        });
        labels[i] = beside.or(nearest).and_then(|&j| labels[j]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the words of [`follow_neighbours`] say, word by word.
    fn by_looking_at_all(places: &[Place], labels: &[Option<usize>]) -> Vec<Option<usize>> {
        let mut found = labels.to_vec();
        let known: Vec<usize> = (0..places.len()).filter(|&i| labels[i].is_some()).collect();
        for i in (0..places.len()).filter(|&i| !places[i].is_embedded) {
            let distance = |j: &&usize| places[**j].first_frame.abs_diff(places[i].first_frame);
            let own = |j: &&usize| {
                (places[**j].slot, places[**j].block()) == (places[i].slot, places[i].block())
                    && f64::from(distance(j)) * FRAME_SECONDS < NEARBY_S
            };
            let own = known.iter().filter(own).min_by_key(distance);
            found[i] = own.or_else(|| known.iter().min_by_key(distance)).and_then(|&j| labels[j]);
        }
        found
    }

    proptest! {
        #[test]
        fn a_short_piece_follows_the_nearest_of_its_slot_and_else_the_nearest_of_all(
            pieces in prop::collection::vec((0_u32..30, 0_u8..3, prop::bool::weighted(0.4), 0_usize..4), 0..60),
            scale in prop::sample::select(vec![1_u32, 40, 300])
        ) {
            let mut frame = 0;
            let (mut places, mut labels) = (Vec::new(), Vec::new());
            for (step, slot, is_embedded, label) in pieces {
                // Many begin together.
                frame += (step / 3) * scale;
                places.push(Place { first_frame: frame, clean_frames: 10, slot, is_embedded });
                labels.push(is_embedded.then_some(label));
            }
            let expected = by_looking_at_all(&places, &labels);
            follow_neighbours(&places, &mut labels);
            prop_assert_eq!(labels, expected);
        }
    }
}
