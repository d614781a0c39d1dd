//! Matching: names speakers block by block, in order, while later blocks are still in work.
//!
//! With every block, all that was heard so far is clustered anew, just as [`crate::training`] does at the end, and the clusters are mapped
//! one-to-one onto the speakers already shown by the speech that they share (online re-clustering with stable identities, arXiv
//! 2111.13803). A cluster that shares none is a new speaker. What is carried forward is what was heard itself, each voice with the speaker
//! that it now counts for; past a bound those that are most alike are joined. Labels found here are provisional:
//! [`crate::diarize`] decides over the whole recording.

use crate::amount::Amounts;
use crate::channels::MOST_SIDES;
use crate::evidence::Choice;
use crate::hints::Hints;
use crate::likeness::Likeness;
use crate::linkage;
use crate::pieces::Piece;
use crate::sides;
use crate::speakers::{self, Place};
use crate::voice::{Cluster, Voice};
use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// Most voices that are carried forward.
const MOST: usize = 256;
/// Number of them that are left when there are more.
const KEPT: usize = 160;

/// Voices that were heard so far, each with its speaker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReferenceSet {
    heard: Vec<Heard>,
    /// Speakers shown so far.
    speakers: usize,
    amount: Amounts,
    likeness: Likeness,
}

/// A piece's voice, or the mean of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Heard {
    channel: u8,
    /// Of length 1 only where it is of one piece.
    mean: Vec<f32>,
    seconds: f64,
    count: usize,
    /// Speaker of the voice; `None` where it is in no cluster.
    speaker: Option<usize>,
}

impl Heard {
    fn voice(&self) -> Voice<'_> {
        Voice { embedding: &self.mean, seconds: self.seconds, count: self.count }
    }
}

impl ReferenceSet {
    /// Number of speakers shown.
    pub fn len(&self) -> usize {
        self.speakers
    }

    /// True before the first speaker was heard.
    pub fn is_empty(&self) -> bool {
        self.speakers == 0
    }

    /// Labels the pieces of the next block and learns from them. Returns whom each piece is given to; `None` while no speaker
    /// is known.
    pub fn match_block(&mut self, pieces: &[Piece], hints: &Hints) -> Vec<Option<Choice>> {
        self.hear(pieces);
        let voices: Vec<(u8, Voice)> = self.heard.iter().map(|it| (it.channel, it.voice())).collect();
        let bound = self.likeness.scaled(hints.bound);
        let hints = &Hints { bound, ..hints.with_room_for(self.channels()) };
        let found = sides::cluster(&voices, hints, |channel| self.amount.of(channel).least_of_speaker());
        let scored = speakers::label_block(pieces, &found.cast);
        let heard: Vec<Option<usize>> = scored.iter().map(|it| it.as_ref().map(|it| it.voice)).collect();
        let speaker = self.speakers_of(&found.clusters, &heard, hints);
        for heard in &mut self.heard {
            heard.speaker = None;
        }
        for (members, &speaker) in found.clusters.iter().zip(&speaker) {
            members.iter().for_each(|&i| self.heard[i].speaker = speaker);
        }
        self.forget();
        let mut choices: Vec<Option<Choice>> =
            scored.iter().map(|it| it.as_ref()?.choice(|cluster| speaker[cluster])).collect();
        let places: Vec<Place> = pieces.iter().map(Place::of).collect();
        speakers::follow_neighbours(&places, &mut choices, Choice::followed);
        choices
    }

    fn hear(&mut self, pieces: &[Piece]) {
        self.likeness.hear(pieces);
        pieces.iter().for_each(|piece| self.amount.hear(piece));
        let least = |channel: u8| self.amount.of(channel).least_seconds();
        // What was long enough no longer is. A mean is as long as the pieces behind it are on average.
        self.heard.retain(|heard| heard.seconds / heard.count as f64 >= least(heard.channel));
        for piece in pieces {
            let (channel, seconds) = (piece.channel(), speakers::weight(piece));
            if let Some(embedding) = piece.embedding.as_ref().filter(|_| seconds >= least(channel)) {
                self.heard.push(Heard { channel, mean: embedding.clone(), seconds, count: 1, speaker: None });
            }
        }
    }

    /// Channels on which somebody was heard.
    fn channels(&self) -> usize {
        let is_heard = |channel: &u8| self.heard.iter().any(|it| it.channel == *channel);
        (0..MOST_SIDES as u8).filter(is_heard).count()
    }

    /// The speaker that each cluster is shown as: the one with whom it shares most speech, each speaker once. Others are new, in
    /// the order in which they are first heard in the block, of which `found` says the cluster of each piece; as long as the hints
    /// allow new ones.
    fn speakers_of(
        &mut self,
        clusters: &[Cluster],
        found: &[Option<usize>],
        hints: &Hints,
    ) -> Vec<Option<usize>> {
        let shared: Vec<Vec<f32>> = clusters
            .iter()
            .map(|members| {
                let mut shared = vec![0.0; self.speakers];
                for heard in members.iter().map(|&i| &self.heard[i]) {
                    if let Some(speaker) = heard.speaker {
                        shared[speaker] += heard.seconds as f32;
                    }
                }
                shared
            })
            .collect();
        let mut speakers = assign_one_to_one(&shared, f32::MIN_POSITIVE);
        let mut new: Vec<usize> =
            (0..clusters.len()).filter(|&cluster| speakers[cluster].is_none()).collect();
        new.sort_by_key(|cluster| found.iter().position(|f| f == &Some(*cluster)).unwrap_or(usize::MAX));
        for cluster in new {
            let is_heard_now = found.contains(&Some(cluster));
            let most = shared[cluster].iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let old = most.filter(|(_, seconds)| **seconds > 0.0).map(|(speaker, _)| speaker);
            // One that nobody hears now was shown as somebody else, and need not be shown as anybody yet.
            if is_heard_now && self.speakers < hints.max_speakers.unwrap_or(usize::MAX) {
                speakers[cluster] = Some(self.speakers);
                self.speakers += 1;
            } else {
                speakers[cluster] = old;
            }
        }
        speakers
    }

    /// Joins the voices of a channel that are most alike once there are too many; what they are joined to is theirs who have most of it.
    fn forget(&mut self) {
        if self.heard.len() <= MOST {
            return;
        }
        let mut kept = Vec::new();
        for channel in 0..MOST_SIDES as u8 {
            let own: Vec<usize> =
                (0..self.heard.len()).filter(|&i| self.heard[i].channel == channel).collect();
            let voices: Vec<Voice> = own.iter().map(|&i| self.heard[i].voice()).collect();
            // Each channel keeps its share.
            let share = (KEPT * own.len()).div_ceil(self.heard.len());
            for members in linkage::most_alike(&voices, share) {
                let members: Vec<usize> = members.into_iter().map(|i| own[i]).collect();
                kept.push(self.joined(&members));
            }
        }
        self.heard = kept;
    }

    fn joined(&self, members: &[usize]) -> Heard {
        let members: Vec<&Heard> = members.iter().map(|&i| &self.heard[i]).collect();
        let seconds: f64 = members.iter().map(|heard| heard.seconds).sum();
        let mut sum = vec![0.0_f64; members[0].mean.len()];
        let mut shares = vec![0.0_f64; self.speakers];
        for heard in &members {
            for (total, &x) in sum.iter_mut().zip(&heard.mean) {
                *total += f64::from(x) * heard.seconds;
            }
            if let Some(speaker) = heard.speaker {
                shares[speaker] += heard.seconds;
            }
        }
        let most = shares.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        Heard {
            channel: members[0].channel,
            mean: sum.into_iter().map(|x| (x / seconds) as f32).collect(),
            seconds,
            count: members.iter().map(|heard| heard.count).sum(),
            speaker: most.filter(|(_, share)| **share > 0.0).map(|(speaker, _)| speaker),
        }
    }
}

/// The speaker of each choice.
pub fn speakers_of(choices: &[Option<Choice>]) -> Vec<Option<usize>> {
    choices.iter().map(|choice| choice.map(|it| it.best.speaker)).collect()
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
    use crate::similarity::normalise;
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

    fn match_block(references: &mut ReferenceSet, pieces: &[Piece], hints: &Hints) -> Vec<Option<usize>> {
        speakers_of(&references.match_block(pieces, hints))
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
        let first = match_block(&mut references, &[piece(0, 150, 0, 0.1), piece(200, 150, 1, 0.2)], &hints);
        assert_eq!(first, [Some(0), Some(1)]);
        assert!(match_block(&mut references, &[], &hints).is_empty());
        let third =
            match_block(&mut references, &[piece(9000, 150, 2, 0.1), piece(9200, 150, 1, 0.3)], &hints);
        assert_eq!(third, [Some(2), Some(1)]);
        assert_eq!(references.len(), 3);
    }

    #[test]
    fn an_utterance_under_eight_tenths_of_a_second_is_labelled_but_mints_no_speaker() {
        let mut references = ReferenceSet::default();
        let hints = Hints::default();
        match_block(&mut references, &[piece(0, 150, 0, 0.1)], &hints);
        let labels = match_block(&mut references, &[piece(4000, 45, 3, 0.0)], &hints);
        assert_eq!(labels, [Some(0)]);
        assert_eq!(references.len(), 1);
    }

    #[test]
    fn who_speaks_first_is_named_first_even_with_a_short_word() {
        let mut references = ReferenceSet::default();
        let pieces = [piece(0, 40, 1, 0.0), piece(50, 150, 0, 0.0), piece(210, 150, 1, 0.1)];
        assert_eq!(match_block(&mut references, &pieces, &Hints::default()), [Some(0), Some(1), Some(0)]);
    }

    #[test]
    fn labels_hold_and_no_more_is_carried_forward_than_a_bound_however_long_it_goes_on() {
        let mut references = ReferenceSet::default();
        for block in 0..60_usize {
            let pieces: Vec<Piece> = (0..12)
                .map(|i| piece(block * 3552 + i * 250, 150 + i, i % 2, (block * 12 + i) as f32 % 7.0 / 7.0))
                .collect();
            let labels = match_block(&mut references, &pieces, &Hints::default());
            assert!(labels.iter().enumerate().all(|(i, label)| *label == Some(i % 2)), "{block}: {labels:?}");
            assert!(references.heard.len() <= MOST);
        }
        assert_eq!((references.len(), references.heard.iter().map(|h| h.count).sum::<usize>()), (2, 720));
    }

    #[test]
    fn who_was_taken_for_one_and_turns_out_to_be_two_keeps_the_label_where_most_of_it_is() {
        let mut references = ReferenceSet::default();
        let hints = Hints { max_speakers: Some(1), ..Hints::default() };
        match_block(
            &mut references,
            &[piece(0, 170, 0, 0.0), piece(200, 170, 0, 0.1), piece(400, 120, 1, 0.0)],
            &hints,
        );
        let labels = match_block(
            &mut references,
            &[piece(4000, 150, 1, 0.0), piece(4200, 150, 0, 0.0)],
            &Hints::default(),
        );
        assert_eq!(labels, [Some(1), Some(0)]);
    }

    #[test]
    fn no_more_speakers_are_named_than_the_caller_allows() {
        let mut references = ReferenceSet::default();
        let hints = Hints { max_speakers: Some(1), ..Hints::default() };
        let labels = match_block(&mut references, &[piece(0, 150, 0, 0.0), piece(200, 150, 1, 0.0)], &hints);
        assert_eq!(labels[0], Some(0));
        assert_eq!(references.len(), 1);
    }

    #[test]
    fn one_voice_on_two_channels_is_shown_as_two_speakers_even_where_the_caller_knows_of_one() {
        let mut references = ReferenceSet::default();
        let hints = Hints { max_speakers: Some(1), ..Hints::default() };
        let there = |first_frame, wobble| Piece { slot: 3, ..piece(first_frame, 150, 0, wobble) };
        let labels = match_block(&mut references, &[piece(0, 150, 0, 0.1), there(200, 0.2)], &hints);
        assert_eq!(labels, [Some(0), Some(1)]);
        let labels = match_block(&mut references, &[there(4000, 0.3), piece(4200, 150, 0, 0.4)], &hints);
        assert_eq!(labels, [Some(1), Some(0)]);
    }
}
