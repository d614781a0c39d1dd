//! Training set: the voices that decide how many speakers a recording has, taken in block by block in bounded memory.
//!
//! Up to [`Bounds::most`] pieces are kept one by one and clustered as they are. Past that the clustering has two levels: in
//! each group (a run of whole blocks with [`Bounds::group`] pieces) the voices that are most alike are joined, until half as many are
//! left, of which only the means are kept; what is left of all groups is clustered over the whole recording. Each time there are too many
//! again, all groups are halved once more. Which pieces are a group, and how often it is halved, follows from the blocks
//! alone, so no chunk and no page can be told from the result. See docs/decisions/0005.

use crate::amount::Amounts;
use crate::cast::Cast;
use crate::channels::MOST_SIDES;
use crate::hints::Hints;
use crate::likeness::Likeness;
use crate::linkage;
use crate::pieces::Piece;
use crate::sides;
use crate::speakers;
use crate::voice::Voice;

/// Numbers of voices that are clustered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most that are clustered over the whole recording. Their matrix of distances has `most² / 2` numbers of 4 bytes.
    pub most: usize,
    /// Fewest of a group; a group also has the rest of its last block.
    pub group: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        // Some two and a half hours of dense speech, 34 MB of distances.
        Self { most: 4096, group: 1024 }
    }
}

/// One voice vector, or the mean of several.
#[derive(Clone, Debug)]
struct Kept {
    channel: u8,
    /// Mean of unit vectors, weighted by their seconds: of length 1 only where it is of one.
    mean: Vec<f32>,
    seconds: f64,
    count: usize,
}

impl Kept {
    fn voice(&self) -> Voice<'_> {
        Voice { embedding: &self.mean, seconds: self.seconds, count: self.count }
    }

    /// The mean of `members` of `group`.
    fn mean_of(group: &[Kept], members: &[usize]) -> Self {
        let seconds: f64 = members.iter().map(|&i| group[i].seconds).sum();
        let mut sum = vec![0.0_f64; group[members[0]].mean.len()];
        for &i in members {
            for (total, &x) in sum.iter_mut().zip(&group[i].mean) {
                *total += f64::from(x) * group[i].seconds;
            }
        }
        let mean = sum.into_iter().map(|x| (x / seconds) as f32).collect();
        Self {
            channel: group[members[0]].channel,
            mean,
            seconds,
            count: members.iter().map(|&i| group[i].count).sum(),
        }
    }
}

/// Voices of a run of whole blocks.
#[derive(Clone, Debug, Default)]
struct Group {
    kept: Vec<Kept>,
    halvings: u32,
}

impl Group {
    /// Halves the group until it has been halved `halvings` times. True when that left fewer voices.
    fn halve(&mut self, halvings: u32) -> bool {
        let before = self.kept.len();
        while self.halvings < halvings {
            self.kept = halved(&self.kept);
            self.halvings += 1;
        }
        self.kept.len() < before
    }
}

/// Takes in blocks, then finds the speakers' voices.
#[derive(Clone, Debug, Default)]
pub struct TrainingSet {
    hints: Hints,
    bounds: Bounds,
    /// The last group is still open.
    groups: Vec<Group>,
    /// Number of times that each closed group is halved.
    halvings: u32,
    amount: Amounts,
    likeness: Likeness,
}

impl TrainingSet {
    /// An empty set.
    pub fn new(hints: Hints, bounds: Bounds) -> Self {
        Self { hints, bounds, ..Self::default() }
    }

    /// Takes in the pieces of the next block.
    pub fn push(&mut self, pieces: &[Piece]) {
        self.likeness.hear(pieces);
        for piece in pieces {
            let least = self.amount.of(piece.channel()).least_seconds();
            self.amount.hear(piece);
            self.keep(piece, self.amount.of(piece.channel()).least_seconds() > least);
        }
        if let Some(open) = self.groups.last_mut().filter(|open| open.kept.len() >= self.bounds.group) {
            open.halve(self.halvings);
            self.groups.push(Group::default());
        }
        while self.len() > self.bounds.most {
            self.halvings += 1;
            let closed = self.groups.len().saturating_sub(1);
            let shrank = self.groups[..closed].iter_mut().map(|group| group.halve(self.halvings));
            if !shrank.fold(false, |any, one| any | one) {
                break;
            }
        }
    }

    fn keep(&mut self, piece: &Piece, is_stricter: bool) {
        let channel = piece.channel();
        let least = self.amount.of(channel).least_seconds();
        if is_stricter {
            // What was long enough no longer is. A mean is as long as the pieces behind it are on average.
            let is_enough =
                |kept: &Kept| kept.channel != channel || kept.seconds / kept.count as f64 >= least;
            self.groups.iter_mut().for_each(|group| group.kept.retain(is_enough));
        }
        let seconds = speakers::weight(piece);
        let Some(embedding) = piece.embedding.as_ref().filter(|_| seconds >= least) else { return };
        if self.groups.is_empty() {
            self.groups.push(Group::default());
        }
        if let Some(open) = self.groups.last_mut() {
            open.kept.push(Kept { channel, mean: embedding.clone(), seconds, count: 1 });
        }
    }

    /// Number of voices kept: at most [`Bounds::most`], up to as many groups as that.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.kept.len()).sum()
    }

    /// True where no piece could be embedded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The speakers found.
    pub fn speakers(&self) -> Cast {
        let kept = self.groups.iter().flat_map(|group| &group.kept);
        let voices: Vec<(u8, Voice)> = kept.map(|kept| (kept.channel, kept.voice())).collect();
        let hints = Hints { bound: self.likeness.scaled(self.hints.bound), ..self.hints };
        sides::cluster(&voices, &hints, |channel| self.amount.of(channel).least_of_speaker()).cast
    }
}

/// Half as many voices of each channel: those most alike are joined, in the order of their first members.
fn halved(group: &[Kept]) -> Vec<Kept> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for channel in 0..MOST_SIDES as u8 {
        let own: Vec<usize> = (0..group.len()).filter(|&i| group[i].channel == channel).collect();
        let voices: Vec<Voice> = own.iter().map(|&i| group[i].voice()).collect();
        let alike = linkage::most_alike(&voices, own.len().div_ceil(2));
        parts.extend(alike.into_iter().map(|members| members.into_iter().map(|i| own[i]).collect()));
    }
    parts.sort_by_key(|members| members[0]);
    parts.iter().map(|members| Kept::mean_of(group, members)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Amount;
    use crate::clustering;
    use crate::similarity::{dot, normalise};
    use proptest::prelude::*;

    const SMALL: Bounds = Bounds { most: 100, group: 40 };

    /// A piece with a voice near that of `speaker`, in 16 dimensions.
    fn piece(speaker: usize, seed: usize, clean_frames: usize) -> Piece {
        let noise = |at: usize| {
            let x = ((seed * 31 + at * 7919 + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ((x >> 40) as f32 / (1_u64 << 24) as f32 - 0.5) * 0.45
        };
        let embedding = (0..16).map(|at| noise(at) + f32::from(u8::from(at == speaker))).collect();
        Piece {
            first_frame: seed * 200,
            end_frame: seed * 200 + 200,
            slot: 0,
            clean_frames,
            embedding: normalise(embedding),
        }
    }

    /// Blocks of seven pieces: speaker 0 has most of them, 1 some, 2 one in fifty.
    fn blocks(count: usize) -> Vec<Vec<Piece>> {
        let speaker = |i: usize| if i % 50 == 3 { 2 } else { usize::from(i % 4 == 1) };
        (0..count)
            .map(|block| (block * 7..block * 7 + 7).map(|i| piece(speaker(i), i, 100 + i % 60)).collect())
            .collect()
    }

    fn set_of(blocks: &[Vec<Piece>], bounds: Bounds) -> TrainingSet {
        let mut set = TrainingSet::new(Hints::default(), bounds);
        blocks.iter().for_each(|pieces| set.push(pieces));
        set
    }

    #[test]
    fn as_long_as_there_are_few_voices_they_are_clustered_as_they_are() {
        let blocks = blocks(40);
        let pieces: Vec<&Piece> = blocks.iter().flatten().collect();
        let voices: Vec<Voice> = pieces
            .iter()
            .map(|p| Voice::of_piece(p.embedding.as_deref().expect("embedded"), p.clean_seconds()))
            .collect();
        let expected = clustering::cluster(&voices, &Hints::default(), 3.0).voices;
        assert_eq!(expected.len(), 3);
        let exactly = Bounds { most: pieces.len(), group: 40 };
        for bounds in [exactly, Bounds::default()] {
            let found = set_of(&blocks, bounds).speakers();
            let vectors: Vec<&[f32]> = (0..found.len()).map(|it| found.embedding(it)).collect();
            assert_eq!(vectors, expected.embeddings());
        }
    }

    #[test]
    fn two_levels_find_the_speakers_that_one_level_finds() {
        let blocks = blocks(300);
        let one = set_of(&blocks, Bounds { most: usize::MAX, group: usize::MAX }).speakers();
        let set = set_of(&blocks, Bounds { most: 700, group: 150 });
        assert_eq!(set.halvings, 2, "a quarter of the voices is kept");
        let two = set.speakers();
        assert_eq!((one.len(), two.len()), (3, 3));
        for at in 0..3 {
            let alike = dot(one.embedding(at), two.embedding(at));
            assert!(alike > 0.999, "{alike}");
        }
    }

    #[test]
    fn however_long_the_recording_no_more_voices_are_kept() {
        let mut set = TrainingSet::new(Hints::default(), SMALL);
        for pieces in blocks(300) {
            set.push(&pieces);
            assert!(set.len() <= SMALL.most, "{} voices are kept", set.len());
        }
        assert!(set.halvings > 3, "2100 voices were halved {} times", set.halvings);
    }

    #[test]
    fn a_group_is_a_run_of_whole_blocks() {
        let set = set_of(&blocks(14), Bounds { most: usize::MAX, group: 40 });
        let sizes: Vec<usize> = set.groups.iter().map(|group| group.kept.len()).collect();
        assert_eq!(sizes, [42, 42, 14]);
    }

    #[test]
    fn a_group_that_closes_late_is_halved_as_often_as_the_others() {
        let set = set_of(&blocks(150), SMALL);
        let (open, closed) = set.groups.split_last().expect("there are groups");
        assert!(closed.iter().all(|group| group.halvings == set.halvings) && open.halvings == 0);
        let halves = (0..set.halvings).fold(42_usize, |size, _| size.div_ceil(2));
        assert!(closed.iter().all(|group| group.kept.len() == halves), "{halves}");
    }

    #[test]
    fn what_a_group_is_halved_to_weighs_as_much_as_the_group() {
        let blocks = blocks(6);
        let group: Vec<Kept> = set_of(&blocks, Bounds::default()).groups.remove(0).kept;
        let once = halved(&group);
        // Means of means.
        let twice = halved(&once);
        assert_eq!((group.len(), once.len(), twice.len()), (42, 21, 11));
        let sum =
            |kept: &[Kept], at: usize| kept.iter().map(|k| f64::from(k.mean[at]) * k.seconds).sum::<f64>();
        for means in [&once, &twice] {
            assert_eq!(means.iter().map(|k| k.count).sum::<usize>(), group.len());
            for at in 0..16 {
                assert!((sum(means, at) - sum(&group, at)).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn voices_of_two_people_are_not_joined_while_one_has_two_that_are_alike() {
        let blocks = blocks(6);
        let kept = halved(&set_of(&blocks, Bounds::default()).groups.remove(0).kept);
        let alike = |kept: &Kept| (0..3).map(|axis| kept.mean[axis]).fold(0.0, f32::max);
        assert!(
            kept.iter().all(|kept| alike(kept) > 0.6),
            "{:?}",
            kept.iter().map(alike).collect::<Vec<_>>()
        );
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_is_long_enough_in_the_end(
            lengths in prop::collection::vec(prop::collection::vec(0_usize..110, 0..5), 0..20)
        ) {
            let blocks: Vec<Vec<Piece>> =
                lengths.iter().map(|block| block.iter().map(|&frames| piece(0, frames, frames)).collect()).collect();
            let mut amount = Amount::default();
            blocks.iter().flatten().for_each(|piece| amount.hear(piece));
            let expected: Vec<f64> = blocks
                .iter()
                .flatten()
                .map(speakers::weight)
                .filter(|&seconds| seconds >= amount.least_seconds())
                .collect();
            let set = set_of(&blocks, Bounds::default());
            prop_assert_eq!(set.groups.iter().flat_map(|group| &group.kept).map(|kept| kept.seconds).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn voices_on_two_channels_are_never_joined_however_often_they_are_halved() {
        let on = |channel: u8, piece: Piece| Piece { slot: 3 * channel, ..piece };
        let blocks: Vec<Vec<Piece>> = (0..300_usize)
            .map(|block| {
                (block * 7..block * 7 + 7)
                    .map(|i| on((i % 3 == 0).into(), piece(0, i, 100 + i % 60)))
                    .collect()
            })
            .collect();
        let set = set_of(&blocks, SMALL);
        assert!(set.len() <= SMALL.most && set.halvings > 3);
        let count = |channel| {
            let kept = set.groups.iter().flat_map(|group| &group.kept);
            kept.filter(|kept| kept.channel == channel).map(|kept| kept.count).sum::<usize>()
        };
        assert_eq!((count(0), count(1)), (1400, 700));
        let cast = set.speakers();
        assert_eq!((cast.len(), cast.channel(0), cast.channel(1)), (2, 1, 0), "one voice on two channels");
    }
}
