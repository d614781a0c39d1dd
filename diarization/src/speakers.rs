//! Speakers: every piece of a recording gets one of the voices that were found in it.

use crate::blocks::{BLOCK_FRAMES, FRAME_SECONDS};
use crate::cast::{Cast, IMPOSSIBLE};
use crate::channels::{self, MOST_SIDES};
use crate::evidence::{Choice, Match};
use crate::pieces::Piece;
use crate::scored::Scored;

/// Two pieces that overlap by more than this are two speakers,
const OVERLAP_S: f64 = 0.35;
/// unless the second choice is so much less like.
const UNLIKE: f32 = 0.25;
/// A piece with less clean speech than this leans on those of its slot: it takes this share of the scores
const LEAN_BELOW_S: f64 = 0.8;
const LEAN: f64 = 0.3;
/// of those beside it, falling off with this time, as long as that is a hundredth, and they have so much clean speech themselves.
const LEAN_S: f64 = 0.5;
const LEAN_LEAST: f64 = 0.01;
const LEAN_ON_S: f64 = 0.4;
/// A piece too short to embed belongs to the nearest piece of its slot within this time.
const NEARBY_S: f64 = 3.0;
/// Weight of a piece without clean speech, in seconds.
const LEAST_WEIGHT_S: f64 = 0.05;

/// Weight of a piece's vector in seconds.
pub fn weight(piece: &Piece) -> f64 {
    Place::of(piece).weight()
}

/// Data of a piece that are kept for the whole recording: a dozen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First frame, counted from the start of the recording.
    pub first_frame: u32,
    /// Frames from its first to its last.
    pub frames: u16,
    /// Frames in which its slot speaks alone.
    pub clean_frames: u16,
    /// Slot inside its block.
    pub slot: u8,
    /// True where there was enough speech to embed.
    pub is_embedded: bool,
}

impl Place {
    /// The channel that it is heard on.
    pub fn channel(&self) -> u8 {
        channels::of_slot(self.slot)
    }

    /// Place of `piece`.
    pub fn of(piece: &Piece) -> Self {
        Self {
            first_frame: piece.first_frame as u32,
            frames: (piece.end_frame - piece.first_frame) as u16,
            clean_frames: piece.clean_frames as u16,
            slot: piece.slot,
            is_embedded: piece.embedding.is_some(),
        }
    }

    /// Match of the piece, given to the speaker of `choice`.
    pub fn matched(&self, choice: Choice) -> Match {
        let first_frame = self.first_frame as usize;
        Match { first_frame, end_frame: first_frame + usize::from(self.frames), slot: self.slot, choice }
    }

    /// Weight of the piece in seconds.
    pub fn weight(&self) -> f64 {
        (f64::from(self.clean_frames) * FRAME_SECONDS).max(LEAST_WEIGHT_S)
    }

    fn block(&self) -> usize {
        self.first_frame as usize / BLOCK_FRAMES
    }
}

/// Voice of each piece of one block: the one on its channel that it sounds most like, but two at a time where two speak at a time. `None` for
/// pieces that are too short to embed (see [`follow_neighbours`]), or where nobody was found.
pub fn label_block(pieces: &[Piece], cast: &Cast) -> Vec<Option<Scored>> {
    let own: Vec<Option<Vec<f32>>> = pieces
        .iter()
        .map(|piece| piece.embedding.as_ref().map(|embedding| cast.scores(piece.channel(), embedding)))
        .collect();
    let scores = leaning(pieces, &own);
    let first: Vec<Option<usize>> =
        scores.iter().map(|scores| scores.as_ref().and_then(|scores| highest(scores, None))).collect();
    let mut labels = first.clone();
    if cast.len() > 1 {
        separate_overlapping(pieces, &scores, &mut labels);
    }
    let each = own.into_iter().zip(scores).zip(first).zip(labels);
    let scored = each.map(|(((own, heard), first), label)| {
        let voice = label?;
        Some(Scored { own: own?, heard: heard?, voice, taken: first.filter(|first| *first != voice) })
    });
    scored.collect()
}

/// Scores of each embedded piece for each speaker; `own` are those of the piece by itself. The own scores of a short piece are not worth
/// much, so it leans on its neighbours.
fn leaning(pieces: &[Piece], own: &[Option<Vec<f32>>]) -> Vec<Option<Vec<f32>>> {
    let mut leaning = own.to_vec();
    for (i, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.clean_seconds() < LEAN_BELOW_S) {
        let Some(scores) = &mut leaning[i] else { continue };
        for (j, other) in pieces.iter().enumerate() {
            if i == j || other.slot != piece.slot || other.clean_seconds() < LEAN_ON_S {
                continue;
            }
            let share = (-piece.gap_seconds(other) / LEAN_S).exp();
            if let Some(others) = own[j].as_ref().filter(|_| share > LEAN_LEAST) {
                scores
                    .iter_mut()
                    .zip(others)
                    .for_each(|(score, other)| *score += (LEAN * share) as f32 * other);
            }
        }
    }
    leaning
}

/// Index of the highest possible score, other than `except`.
fn highest(scores: &[f32], except: Option<usize>) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    let others =
        scores.iter().enumerate().filter(|(index, score)| Some(*index) != except && **score != IMPOSSIBLE);
    for (index, &score) in others {
        if best.is_none_or(|(_, most)| score > most) {
            best = Some((index, score));
        }
    }
    best.map(|(index, _)| index)
}

/// Two slots that speak at once are two speakers: of two overlapping pieces under one label, the one that loses less by it takes its
/// second choice; clean speech weighs.
fn separate_overlapping(pieces: &[Piece], scores: &[Option<Vec<f32>>], labels: &mut [Option<usize>]) {
    // Pieces are at most 3 s long and in order, so whatever overlaps a piece is among the next few. None reaches over the
    // end of its block.
    const REACH: usize = 5;
    let embedded: Vec<usize> = (0..pieces.len()).filter(|&i| scores[i].is_some()).collect();
    let second = |i: usize, label: usize| {
        let scores = scores[i].as_ref()?;
        let second = highest(scores, Some(label))?;
        Some((second, scores[label] - scores[second]))
    };
    for (x, &i) in embedded.iter().enumerate() {
        for &j in embedded[x + 1..].iter().take(REACH) {
            let (a, b) = (&pieces[i], &pieces[j]);
            let overlap = a.shared_frames(b) as f64 * FRAME_SECONDS;
            let Some(label) = labels[i].filter(|label| labels[j] == Some(*label)) else { continue };
            if a.slot == b.slot || overlap <= OVERLAP_S {
                continue;
            }
            let (Some(of_a), Some(of_b)) = (second(i, label), second(j, label)) else { continue };
            let cost = |piece: &Piece, loss: f32| weight(piece).sqrt() * f64::from(loss);
            let (yields, (second, loss)) =
                if cost(a, of_a.1) < cost(b, of_b.1) { (i, of_a) } else { (j, of_b) };
            if loss < UNLIKE {
                labels[yields] = Some(second);
            }
        }
    }
}

/// Pieces too short to embed follow the nearest piece on their channel, of their own slot where one is near; where there is none on their
/// channel, the nearest of all. Places are in order of time.
pub fn follow_neighbours<T: Copy>(places: &[Place], labels: &mut [Option<T>], follow: impl Fn(T) -> T) {
    /// Frames within which a piece of the own slot is looked for.
    const REACH: u32 = (NEARBY_S / FRAME_SECONDS) as u32 + 1;
    let all: Vec<usize> = (0..places.len()).filter(|&i| labels[i].is_some()).collect();
    let on =
        |channel: usize| all.iter().copied().filter(move |&i| usize::from(places[i].channel()) == channel);
    let on_channel: [Vec<usize>; MOST_SIDES] = std::array::from_fn(|channel| on(channel).collect());
    let begin = |j: &usize| places[*j].first_frame;
    for i in (0..places.len()).filter(|&i| !places[i].is_embedded) {
        let place = places[i];
        let own = &on_channel[usize::from(place.channel())];
        let known = if own.is_empty() { &all } else { own };
        let first_from = |frame: u32| known.partition_point(|j| begin(j) < frame);
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
        labels[i] = beside.or(nearest).and_then(|&j| labels[j]).map(&follow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::Voice;
    use crate::voices::Voices;
    use proptest::prelude::*;

    /// Result of the words of [`follow_neighbours`], taken word by word.
    fn by_looking_at_all(places: &[Place], labels: &[Option<usize>]) -> Vec<Option<usize>> {
        let mut found = labels.to_vec();
        let all: Vec<usize> = (0..places.len()).filter(|&i| labels[i].is_some()).collect();
        for i in (0..places.len()).filter(|&i| !places[i].is_embedded) {
            let here: Vec<usize> =
                all.iter().copied().filter(|&j| places[j].channel() == places[i].channel()).collect();
            let known = if here.is_empty() { &all } else { &here };
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

    #[test]
    fn of_two_pieces_at_once_the_less_clear_one_takes_its_second_choice_and_says_why() {
        let unit = |v: [f32; 3]| crate::similarity::normalise(v.to_vec()).expect("a direction");
        let (ann, bob) = (unit([1.0, 0.0, 0.0]), unit([0.0, 1.0, 0.0]));
        let known = [Voice::of_piece(&ann, 60.0), Voice::of_piece(&bob, 60.0)];
        let voices = Voices::of(&known, &[vec![0], vec![1]]);
        let cast = Cast::new(vec![voices], vec![(0, 0), (0, 1)]);
        let piece = |slot, vector| Piece {
            first_frame: 0,
            end_frame: 100,
            slot,
            clean_frames: 60,
            embedding: Some(vector),
        };
        let pieces = [piece(0, unit([1.0, 0.1, 0.0])), piece(1, unit([0.8, 0.7, 0.0]))];
        let found: Vec<Scored> = label_block(&pieces, &cast).into_iter().flatten().collect();
        assert_eq!((found[0].voice, found[0].taken), (0, None));
        assert_eq!((found[1].voice, found[1].taken), (1, Some(0)));
    }

    proptest! {
        #[test]
        fn a_short_piece_follows_the_nearest_of_its_slot_and_else_the_nearest_of_all(
            pieces in prop::collection::vec((0_u32..30, 0_u8..6, prop::bool::weighted(0.4), 0_usize..4), 0..60),
            scale in prop::sample::select(vec![1_u32, 40, 300])
        ) {
            let mut frame = 0;
            let (mut places, mut labels) = (Vec::new(), Vec::new());
            for (step, slot, is_embedded, label) in pieces {
                // Many begin together.
                frame += (step / 3) * scale;
                places.push(Place { first_frame: frame, frames: 10, clean_frames: 10, slot, is_embedded });
                labels.push(is_embedded.then_some(label));
            }
            let expected = by_looking_at_all(&places, &labels);
            follow_neighbours(&places, &mut labels, |label| label);
            prop_assert_eq!(labels, expected);
        }
    }
}
