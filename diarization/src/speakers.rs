//! Speakers: every piece of a recording gets a speaker, decided over all of it.

use crate::blocks::{BLOCK_FRAMES, FRAME_SECONDS};
use crate::clustering::{self, Voice};
use crate::hints::Hints;
use crate::pieces::Piece;
use crate::similarity::dot;

/// Pieces with at least this much clean speech decide how many speakers there are.
const TRAINING_S: f64 = 1.5;
/// Where no piece is that long, those with at least this share of the longest decide.
const TRAINING_SHARE: f64 = 0.7;
/// Two pieces that overlap by more than this are two speakers.
const OVERLAP_S: f64 = 0.25;
/// A piece too short to embed belongs to the nearest piece of its slot within this time.
const NEARBY_S: f64 = 3.0;
/// Weight of a piece without clean speech, in seconds.
const LEAST_WEIGHT_S: f64 = 0.05;

/// The speakers of a recording.
#[derive(Clone, Debug, Default)]
pub struct Assignment {
    /// Speaker of each piece; `None` only where no piece of the recording could be embedded.
    pub labels: Vec<Option<usize>>,
    /// Unit-length voice vector of each speaker.
    pub voices: Vec<Vec<f32>>,
}

/// Weight of a piece's vector in seconds.
pub fn weight(piece: &Piece) -> f64 {
    piece.clean_seconds().max(LEAST_WEIGHT_S)
}

/// Finds the speakers of `pieces`, which are in order of time.
pub fn assign(pieces: &[&Piece], hints: &Hints) -> Assignment {
    let embedded: Vec<(usize, Voice)> = pieces
        .iter()
        .enumerate()
        .filter_map(|(i, p)| Some((i, Voice { embedding: p.embedding.as_deref()?, seconds: weight(p) })))
        .collect();
    let training = training_voices(&embedded);
    let speech: f64 = pieces.iter().map(|p| p.clean_seconds()).sum();
    let clusters = clustering::cluster(&training, hints, (0.01 * speech).clamp(1.0, 3.0));
    let voices: Vec<Vec<f32>> =
        clusters.iter().map(|members| clustering::centroid(&training, members)).collect();
    let mut labels = vec![None; pieces.len()];
    if voices.is_empty() {
        return Assignment { labels, voices };
    }
    for (i, voice) in &embedded {
        labels[*i] = nearest(voice.embedding, &voices, None);
    }
    separate_overlapping(pieces, &embedded, &voices, &mut labels);
    follow_neighbours(pieces, &mut labels);
    Assignment { labels, voices }
}

fn training_voices<'a>(embedded: &[(usize, Voice<'a>)]) -> Vec<Voice<'a>> {
    let longest = embedded.iter().map(|(_, v)| v.seconds).fold(0.0, f64::max);
    let least = if longest >= TRAINING_S { TRAINING_S } else { TRAINING_SHARE * longest };
    embedded.iter().map(|(_, v)| *v).filter(|v| v.seconds >= least).collect()
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
fn separate_overlapping(
    pieces: &[&Piece],
    embedded: &[(usize, Voice)],
    voices: &[Vec<f32>],
    labels: &mut [Option<usize>],
) {
    if voices.len() < 2 {
        return;
    }
    // Pieces are at most 3 s long and in order, so whatever overlaps a piece is among the next few.
    const REACH: usize = 5;
    for (x, (i, _)) in embedded.iter().enumerate() {
        for (j, _) in embedded[x + 1..].iter().take(REACH) {
            let (a, b) = (pieces[*i], pieces[*j]);
            let overlap = a.shared_frames(b) as f64 * FRAME_SECONDS;
            if a.slot != b.slot && labels[*i] == labels[*j] && overlap > OVERLAP_S {
                let yields = if a.clean_frames < b.clean_frames { *i } else { *j };
                if let Some(embedding) = &pieces[yields].embedding {
                    labels[yields] = nearest(embedding, voices, labels[yields]);
                }
            }
        }
    }
}

/// Pieces too short to embed take the label of the nearest piece, of their own slot where one is near.
pub fn follow_neighbours(pieces: &[&Piece], labels: &mut [Option<usize>]) {
    let known: Vec<usize> = (0..pieces.len()).filter(|&i| labels[i].is_some()).collect();
    let block = |p: &Piece| p.first_frame / BLOCK_FRAMES;
    for i in (0..pieces.len()).filter(|i| pieces[*i].embedding.is_none()) {
        let piece = pieces[i];
        let distance = |j: &&usize| pieces[**j].first_frame.abs_diff(piece.first_frame);
        let same_slot = |j: &&usize| {
            pieces[**j].slot == piece.slot
                && block(pieces[**j]) == block(piece)
                && (distance(j) as f64) * FRAME_SECONDS < NEARBY_S
        };
        let neighbour =
            known.iter().filter(same_slot).min_by_key(distance).or_else(|| known.iter().min_by_key(distance));
        labels[i] = neighbour.and_then(|&j| labels[j]);
    }
}
