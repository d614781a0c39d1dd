//! Cast: whose voices speak in a recording. Never two that could be of one person.

use super::excerpts::Voice;
use crate::bench::sources::Apart;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};

/// Factor by which a voice must have more material than it is to say. Ends of stretches that are too short to be used are lost.
const SPARE: f64 = 1.4;
/// Probability that all voices are from one source, so that nothing but the voices tells them apart.
const ONE_SOURCE: f64 = 0.7;

/// All voices there are, and who must be kept apart.
pub struct Ensemble {
    voices: Vec<Voice>,
    apart: BTreeMap<String, Apart>,
}

impl Ensemble {
    /// Of `voices`, kept apart as is said of their recordings.
    pub fn new(voices: Vec<Voice>, apart: BTreeMap<String, Apart>) -> Self {
        Self { voices, apart }
    }

    /// Number of voices.
    pub fn len(&self) -> usize {
        self.voices.len()
    }

    /// Voices that can say `needs` seconds each, the first of them most, reading what they have up to `rounds` times. `None` where there are no such.
    pub fn cast(&self, needs: &[f64], rounds: f64, random: &mut StdRng) -> Option<Vec<&Voice>> {
        let mut sources: Vec<&str> = self
            .voices
            .iter()
            .map(|voice| voice.source.as_str())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        sources.shuffle(random);
        let one = random.random_bool(ONE_SOURCE) || needs.len() == 1;
        let alone = sources.iter().find_map(|source| self.within(&[source], needs, rounds, random));
        if one && alone.is_some() {
            return alone;
        }
        // As few as will do, so that the others can be left out of nothing for it.
        let several = (2..=sources.len()).find_map(|n| self.within(&sources[..n], needs, rounds, random));
        several.or(alone)
    }

    /// Voices of `sources` alone.
    fn within(
        &self,
        sources: &[&str],
        needs: &[f64],
        rounds: f64,
        random: &mut StdRng,
    ) -> Option<Vec<&Voice>> {
        let mut may: Vec<&Voice> =
            self.voices.iter().filter(|voice| sources.contains(&voice.source.as_str())).collect();
        may.shuffle(random);
        let mut roles: Vec<usize> = (0..needs.len()).collect();
        roles.sort_by(|&a, &b| needs[b].total_cmp(&needs[a]));
        let mut cast: Vec<Option<&Voice>> = vec![None; needs.len()];
        for role in roles {
            let fits = |voice: &&&Voice| {
                voice.seconds() * rounds >= needs[role] * SPARE
                    && cast.iter().flatten().all(|other| self.are_two(other, voice))
            };
            cast[role] = Some(*may.iter().find(fits)?);
        }
        cast.into_iter().collect()
    }

    /// True if two voices are surely of two people.
    fn are_two(&self, one: &Voice, other: &Voice) -> bool {
        let apart = |a: &Voice, b: &Voice| match self.apart.get(&a.recording) {
            Some(Apart::From(recordings)) => recordings.contains(&b.recording),
            Some(Apart::FromAll) => true,
            Some(Apart::FromNone) | None => false,
        };
        let together = one.recording == other.recording;
        one.name != other.name && (together || !apart(one, other) && !apart(other, one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn voice(name: &str, recording: &str, source: &str, seconds: usize) -> Voice {
        let stretches = vec![vec![0.1; 16_000]; seconds];
        let (name, recording, source) = (name.into(), recording.into(), source.into());
        Voice { name, recording, source, stretches, room: Vec::new() }
    }

    fn ensemble() -> Ensemble {
        let voices = vec![
            voice("anna", "r1", "s", 100),
            voice("ben", "r1", "s", 20),
            voice("anna", "r2", "s", 100),
            voice("carl", "r2", "s", 30),
            voice("dora", "r3", "s", 30),
            voice("emil", "r4", "t", 30),
        ];
        let apart = [("r3".to_owned(), Apart::From(vec!["r1".into()]))].into_iter().collect();
        Ensemble::new(voices, apart)
    }

    #[test]
    fn two_voices_that_could_be_one_are_never_cast_together() {
        let ensemble = ensemble();
        for seed in 0..200 {
            let cast = ensemble.cast(&[10.0; 3], 1.0, &mut StdRng::seed_from_u64(seed)).expect("there are");
            let names: BTreeSet<&str> = cast.iter().map(|voice| voice.name.as_str()).collect();
            assert_eq!(names.len(), 3, "{seed}: anna is one person in both recordings");
            let recordings: BTreeSet<&str> = cast.iter().map(|voice| voice.recording.as_str()).collect();
            assert!(!(recordings.contains("r1") && recordings.contains("r3")), "{seed}: {recordings:?}");
        }
    }

    #[test]
    fn whoever_speaks_most_has_enough_to_say() {
        let ensemble = ensemble();
        for seed in 0..50 {
            let random = &mut StdRng::seed_from_u64(seed);
            let cast = ensemble.cast(&[2.0, 60.0], 1.0, random).expect("there are");
            assert_eq!(cast[1].name, "anna");
        }
        let random = &mut StdRng::seed_from_u64(0);
        assert!(ensemble.cast(&[2.0, 100.0], 1.0, random).is_none());
        assert!(ensemble.cast(&[2.0, 100.0], 2.0, random).is_some(), "reading it twice");
    }

    #[test]
    fn mostly_all_are_of_one_source() {
        let ensemble = ensemble();
        let one = (0..200).filter(|&seed| {
            let cast = ensemble.cast(&[10.0; 2], 1.0, &mut StdRng::seed_from_u64(seed)).expect("there are");
            cast.iter().all(|voice| voice.source == cast[0].source)
        });
        let one = one.count();
        assert!((120..190).contains(&one), "{one}");
    }
}
