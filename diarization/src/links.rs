//! Links: what segmentation says of voices that speak close together.
//!
//! Inside a window segmentation tells local speakers apart by more than their voices alone. Two pieces of one slot that follow each other within
//! a few seconds are nearly always one speaker (on real conversations of nine sources in 19 of 20 cases), two of different slots
//! two speakers (in 9 of 10). Farther apart a slot says little: stitching may have given it to somebody else.

use crate::pieces::Piece;
use crate::voice::Cluster;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest pause between two pieces that are linked, in seconds.
const NEAR_S: f64 = 3.0;

/// How often two voices were heard close together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Pairs of pieces in one slot.
    pub same: u32,
    /// Pairs of pieces in different slots.
    pub different: u32,
}

impl Link {
    fn add(&mut self, other: Self) {
        self.same += other.same;
        self.different += other.different;
    }

    /// How much speaks for one speaker, -1 to 1, drawn to 0 as if `doubt` more pairs had said nothing.
    pub fn agreement(self, doubt: f64) -> f64 {
        (f64::from(self.same) - f64::from(self.different)) / (f64::from(self.same + self.different) + doubt)
    }
}

/// The links between voices of a list, by the lower and the higher of their indices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Links(Vec<((u32, u32), Link)>);

impl Links {
    /// Links among pieces of one block, which come by start; `index` is the place in the list of each piece that is in it.
    pub fn of_block(pieces: &[Piece], index: &[Option<usize>]) -> Self {
        let listed: Vec<(&Piece, usize)> =
            pieces.iter().zip(index).filter_map(|(piece, at)| Some((piece, (*at)?))).collect();
        let mut links = BTreeMap::new();
        for (i, (piece, at)) in listed.iter().enumerate() {
            for (other, with) in &listed[i + 1..] {
                if piece.gap_seconds(other) > NEAR_S {
                    continue;
                }
                let link = if piece.slot == other.slot {
                    Link { same: 1, different: 0 }
                } else {
                    Link { same: 0, different: 1 }
                };
                links.entry(pair(*at, *with)).or_insert_with(Link::default).add(link);
            }
        }
        Self(links.into_iter().collect())
    }

    /// Takes in more links.
    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// The links once the voices have other places: `place` says which, and `None` of those that are gone. Those that come to one place
    /// add up.
    pub fn moved(&self, place: impl Fn(usize) -> Option<usize>) -> Self {
        let mut links = BTreeMap::new();
        for ((a, b), link) in self.iter() {
            if let (Some(a), Some(b)) = (place(a), place(b))
                && a != b
            {
                links.entry(pair(a, b)).or_insert_with(Link::default).add(link);
            }
        }
        Self(links.into_iter().collect())
    }

    /// The links once only those voices are left that `is_kept`.
    pub fn retained(&self, is_kept: &[bool]) -> Self {
        let mut left = 0;
        let place: Vec<Option<usize>> = is_kept
            .iter()
            .map(|&is_kept| {
                is_kept.then(|| {
                    left += 1;
                    left - 1
                })
            })
            .collect();
        self.moved(|voice| place[voice])
    }

    /// The links once each of `parts` is one voice; every voice is in one of them.
    pub fn joined(&self, parts: &[Cluster]) -> Self {
        let mut place = vec![None; parts.iter().map(Vec::len).sum()];
        for (part, members) in parts.iter().enumerate() {
            members.iter().for_each(|&member| place[member] = Some(part));
        }
        self.moved(|voice| place[voice])
    }

    /// Each link with the places of its two voices.
    pub fn iter(&self) -> impl Iterator<Item = ((usize, usize), Link)> + '_ {
        self.0.iter().map(|&((a, b), link)| ((a as usize, b as usize), link))
    }

    /// For each of `count` voices the links that it has.
    pub fn by_voice(&self, count: usize) -> Vec<BTreeMap<usize, Link>> {
        let mut by_voice = vec![BTreeMap::new(); count];
        for ((a, b), link) in self.iter() {
            for (voice, other) in [(a, b), (b, a)] {
                by_voice[voice].entry(other).or_insert_with(Link::default).add(link);
            }
        }
        by_voice
    }
}

fn pair(a: usize, b: usize) -> (u32, u32) {
    (a.min(b) as u32, a.max(b) as u32)
}

/// Joins what voice `from` has into what `into` has, for both of them and all others.
pub fn join(by_voice: &mut [BTreeMap<usize, Link>], into: usize, from: usize) {
    for (other, link) in std::mem::take(&mut by_voice[from]) {
        by_voice[other].remove(&from);
        if other != into {
            by_voice[other].entry(into).or_default().add(link);
            by_voice[into].entry(other).or_default().add(link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(first_frame: usize, slot: u8) -> Piece {
        Piece { first_frame, end_frame: first_frame + 100, slot, clean_frames: 100, embedding: None }
    }

    #[test]
    fn pieces_close_together_are_linked_and_those_far_apart_are_not() {
        let pieces = [piece(0, 0), piece(150, 0), piece(250, 1), piece(600, 1)];
        let links = Links::of_block(&pieces, &[Some(4), Some(0), Some(2), Some(3)]);
        let (same, different) = (Link { same: 1, different: 0 }, Link { same: 0, different: 1 });
        assert_eq!(links.iter().collect::<Vec<_>>(), [((0, 2), different), ((0, 4), same), ((2, 4), different)]);
    }

    #[test]
    fn voices_that_become_one_have_the_links_of_both_and_those_that_are_gone_have_none() {
        let pieces = [piece(0, 0), piece(100, 1), piece(200, 0), piece(300, 1)];
        let all = Links::of_block(&pieces, &[Some(0), Some(1), Some(2), Some(3)]);
        let joined = all.moved(|at| [Some(0), Some(1), Some(0), None][at]);
        assert_eq!(joined.iter().collect::<Vec<_>>(), [((0, 1), Link { same: 0, different: 2 })]);
        let mut by_voice = all.by_voice(4);
        join(&mut by_voice, 0, 2);
        assert_eq!(by_voice[1][&0], Link { same: 0, different: 2 });
        assert_eq!((by_voice[0].len(), by_voice[1].len(), by_voice[2].len()), (2, 2, 0));
    }

    #[test]
    fn few_pairs_say_less_than_many() {
        let same = |same| Link { same, different: 0 }.agreement(1.0);
        assert!(same(1) > 0.0 && same(1) < same(10) && same(10) < 1.0);
        assert_eq!(Link { same: 2, different: 2 }.agreement(1.0), 0.0);
    }
}
