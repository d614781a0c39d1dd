//! Matching: names speakers block by block, in order, while later blocks are still in work.
//!
//! The reference set carried forward holds, per speaker, the duration-weighted sum of the voice vectors heard so far.
//! Each block's pieces are clustered, the clusters are assigned to references one-to-one (Hungarian), and what fits no
//! reference becomes a new speaker. Labels found here are provisional: [`crate::diarize`] decides over the whole recording.

use crate::clustering::{self, Voice};
use crate::hints::Hints;
use crate::pieces::Piece;
use crate::similarity::{dot, normalise};
use crate::speakers::{self, Place};
use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// Pieces of a block are one voice above this average cosine.
const LOCAL_COSINE: f32 = 0.58;
/// A cluster is assigned to a reference only from this cosine on.
const MATCH_COSINE: f32 = 0.60;
/// A cluster that lost its reference to another joins it from this cosine on; from here on a reference also learns.
const JOIN_COSINE: f32 = 0.65;
/// Pieces with less clean speech are labelled but mint no speaker.
const LEARN_S: f64 = 1.5;

/// The speakers known so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReferenceSet {
    speakers: Vec<Reference>,
}

/// What is known of one speaker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reference {
    /// Sum of unit vectors, each times its seconds.
    sum: Vec<f32>,
    seconds: f64,
}

/// A voice heard in one block.
struct Heard {
    members: Vec<usize>,
    centroid: Vec<f32>,
    seconds: f64,
}

impl ReferenceSet {
    /// Number of speakers known.
    pub fn len(&self) -> usize {
        self.speakers.len()
    }

    /// True before the first speaker was heard.
    pub fn is_empty(&self) -> bool {
        self.speakers.is_empty()
    }

    /// Unit-length voice vectors of the known speakers.
    fn voices(&self) -> Vec<Vec<f32>> {
        self.speakers
            .iter()
            .map(|r| normalise(r.sum.clone()).unwrap_or_else(|| vec![0.0; r.sum.len()]))
            .collect()
    }

    /// Labels the pieces of the next block and learns from them. Returns each piece's speaker; `None` while no speaker
    /// is known.
    pub fn match_block(&mut self, pieces: &[Piece], hints: &Hints) -> Vec<Option<usize>> {
        let shift = hints.threshold.cosine_shift();
        let known = self.voices();
        let heard = voices_of_block(pieces, LOCAL_COSINE + shift, &known);
        let scores: Vec<Vec<f32>> =
            heard.iter().map(|h| known.iter().map(|voice| dot(&h.centroid, voice)).collect()).collect();
        let assigned = assign_one_to_one(&scores, MATCH_COSINE + shift);
        let mut labels = vec![None; pieces.len()];
        for (index, voice) in heard.iter().enumerate() {
            let best = speakers::nearest(&voice.centroid, &known, None);
            let score = |speaker: usize| scores[index][speaker];
            let joins = best.filter(|&speaker| score(speaker) >= JOIN_COSINE + shift);
            let full = self.len() >= hints.max_speakers.unwrap_or(usize::MAX);
            let speaker = match assigned[index].or(joins).or(best.filter(|_| full)) {
                Some(speaker) => {
                    if score(speaker) >= JOIN_COSINE + shift {
                        self.speakers[speaker].learn(voice);
                    }
                    speaker
                }
                None if full => continue,
                None => {
                    self.speakers.push(Reference::new(voice));
                    self.len() - 1
                }
            };
            for &member in &voice.members {
                labels[member] = Some(speaker);
            }
        }
        self.label_the_rest(pieces, &mut labels);
        labels
    }

    /// Pieces that were too short to learn from take the nearest known speaker.
    fn label_the_rest(&self, pieces: &[Piece], labels: &mut [Option<usize>]) {
        let known = self.voices();
        for (piece, label) in pieces.iter().zip(labels.iter_mut()).filter(|(_, label)| label.is_none()) {
            *label =
                piece.embedding.as_ref().and_then(|embedding| speakers::nearest(embedding, &known, None));
        }
        let places: Vec<Place> = pieces.iter().map(Place::of).collect();
        speakers::follow_neighbours(&places, labels);
    }
}

impl Reference {
    fn new(voice: &Heard) -> Self {
        let mut reference = Self { sum: vec![0.0; voice.centroid.len()], seconds: 0.0 };
        reference.learn(voice);
        reference
    }

    fn learn(&mut self, voice: &Heard) {
        for (sum, &x) in self.sum.iter_mut().zip(&voice.centroid) {
            *sum += (f64::from(x) * voice.seconds) as f32;
        }
        self.seconds += voice.seconds;
    }
}

/// Clusters the pieces of one block that are long enough to learn from, in the order in which their voices are first heard.
/// A voice may first be heard in a piece too short to learn from.
fn voices_of_block(pieces: &[Piece], cosine: f32, known: &[Vec<f32>]) -> Vec<Heard> {
    let mut at = Vec::new();
    let mut voices = Vec::new();
    for (index, piece) in pieces.iter().enumerate().filter(|(_, p)| p.clean_seconds() >= LEARN_S) {
        if let Some(embedding) = &piece.embedding {
            at.push(index);
            voices.push(Voice::of_piece(embedding, piece.clean_seconds()));
        }
    }
    let all: Vec<usize> = (0..voices.len()).collect();
    let mut heard: Vec<Heard> = clustering::average_linkage(&voices, &all, cosine)
        .into_iter()
        .map(|members| Heard {
            centroid: clustering::centroid(&voices, &members),
            seconds: members.iter().map(|&m| voices[m].seconds).sum(),
            members: members.into_iter().map(|m| at[m]).collect(),
        })
        .collect();
    let candidates: Vec<Vec<f32>> =
        heard.iter().map(|h| h.centroid.clone()).chain(known.iter().cloned()).collect();
    let mut first: Vec<usize> = heard.iter().map(|h| h.members[0]).collect();
    for (index, piece) in pieces.iter().enumerate().filter(|(_, p)| p.clean_seconds() < LEARN_S) {
        let nearest = piece.embedding.as_ref().and_then(|e| speakers::nearest(e, &candidates, None));
        if let Some(first) = nearest.and_then(|voice| first.get_mut(voice)) {
            *first = (*first).min(index);
        }
    }
    let mut order: Vec<(usize, Heard)> = first.into_iter().zip(heard.drain(..)).collect();
    order.sort_by_key(|(first, _)| *first);
    order.into_iter().map(|(_, heard)| heard).collect()
}

/// Assigns rows to columns one-to-one so that the sum of scores is greatest; only scores of at least `least` count.
/// Returns the column of each row.
pub fn assign_one_to_one(scores: &[Vec<f32>], least: f32) -> Vec<Option<usize>> {
    let columns = scores.first().map_or(0, Vec::len);
    if columns == 0 {
        return vec![None; scores.len()];
    }
    // Whole numbers, as the solver wants: a millionth is finer than any difference that means something. Every score that
    // counts outweighs none, and the matrix is padded so that each row can also stay alone.
    let weight = |score: f32| if score >= least { 1 + (f64::from(score - least) * 1e6) as i64 } else { 0 };
    let width = columns.max(scores.len());
    let rows = scores
        .iter()
        .map(|row| (0..width).map(|c| row.get(c).map_or(0, |&s| weight(s))).collect::<Vec<i64>>());
    let Ok(weights) = Matrix::from_rows(rows) else { return vec![None; scores.len()] };
    let (_, assignment) = kuhn_munkres(&weights);
    assignment
        .into_iter()
        .zip(scores)
        .map(|(column, row)| (column < columns && row[column] >= least).then_some(column))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_reference_is_given_to_two_voices(
            scores in (0_usize..6, 0_usize..6).prop_flat_map(|(rows, columns)|
                prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, columns), rows))
        ) {
            let assigned = assign_one_to_one(&scores, 0.3);
            let mut used: Vec<usize> = assigned.iter().flatten().copied().collect();
            used.sort_unstable();
            let count = used.len();
            used.dedup();
            prop_assert_eq!(used.len(), count);
            for (row, column) in assigned.iter().enumerate() {
                prop_assert!(column.is_none_or(|c| scores[row][c] >= 0.3));
            }
        }
    }

    /// A piece of `frames` clean frames whose voice points along `axis`, slightly off.
    fn piece(first_frame: usize, frames: usize, axis: usize, wobble: f32) -> Piece {
        let mut embedding = vec![0.1 * wobble; 4];
        embedding[axis] = 1.0;
        Piece {
            first_frame,
            end_frame: first_frame + frames,
            slot: axis as u8 % 3,
            clean_frames: frames,
            embedding: normalise(embedding),
        }
    }

    #[test]
    fn a_voice_keeps_its_label_after_a_block_of_silence_and_a_third_voice_gets_its_own() {
        let mut references = ReferenceSet::default();
        let hints = Hints::default();
        let first = references.match_block(&[piece(0, 150, 0, 0.1), piece(200, 150, 1, 0.2)], &hints);
        assert_eq!(first, [Some(0), Some(1)]);
        assert!(references.match_block(&[], &hints).is_empty());
        let third = references.match_block(&[piece(9000, 150, 2, 0.1), piece(9200, 150, 1, 0.3)], &hints);
        assert_eq!(third, [Some(2), Some(1)]);
        assert_eq!(references.len(), 3);
    }

    #[test]
    fn an_utterance_under_a_second_is_labelled_but_mints_no_speaker() {
        let mut references = ReferenceSet::default();
        let hints = Hints::default();
        references.match_block(&[piece(0, 150, 0, 0.1)], &hints);
        let labels = references.match_block(&[piece(4000, 50, 3, 0.0)], &hints);
        assert_eq!(labels, [Some(0)]);
        assert_eq!(references.len(), 1);
    }

    #[test]
    fn who_speaks_first_is_named_first_even_with_a_short_word() {
        let mut references = ReferenceSet::default();
        let pieces = [piece(0, 40, 1, 0.0), piece(50, 150, 0, 0.0), piece(210, 150, 1, 0.1)];
        assert_eq!(references.match_block(&pieces, &Hints::default()), [Some(0), Some(1), Some(0)]);
    }

    #[test]
    fn no_more_speakers_are_named_than_the_caller_allows() {
        let mut references = ReferenceSet::default();
        let hints = Hints { max_speakers: Some(1), ..Hints::default() };
        let labels = references.match_block(&[piece(0, 150, 0, 0.0), piece(200, 150, 1, 0.0)], &hints);
        assert_eq!(labels[0], Some(0));
        assert_eq!(references.len(), 1);
    }
}
