//! Plan: who speaks next, for how long, and what comes before.

use super::SHORTEST_S;
use super::kind::Kind;
use rand::Rng;
use rand::rngs::StdRng;

/// Mean length of a turn and the longest, seconds.
const TURN_S: f64 = 4.0;
const LONGEST_S: f64 = 25.0;
/// Seconds between two questions, and of each.
const MINUTE_S: f64 = 60.0;
const QUESTION_S: std::ops::Range<f64> = 1.7..2.3;

/// Something that one speaker says in one go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// Number of the speaker: 0 leads.
    pub speaker: usize,
    /// For how long, seconds.
    pub seconds: f64,
    /// Seconds in which nobody says anything before it.
    pub pause: f64,
}

/// The turns of a recording of about `seconds`.
pub fn turns(kind: Kind, speakers: usize, seconds: f64, random: &mut StdRng) -> Vec<Turn> {
    if kind == Kind::Question {
        questions(speakers, seconds, random)
    } else {
        talk(kind, speakers, seconds, random)
    }
}

/// Everybody gets what they have to say, in turns of no certain order, and nobody follows themselves unless they have nearly all of the
/// speech or nobody else has anything left to say.
fn talk(kind: Kind, speakers: usize, seconds: f64, random: &mut StdRng) -> Vec<Turn> {
    let pauses = if matches!(kind, Kind::Gated | Kind::Room) { 0.7 } else { 0.93 };
    let mut left: Vec<f64> =
        kind.shares(speakers, random).iter().map(|share| (share * seconds * pauses).max(1.2)).collect();
    let (mut turns, mut before) = (Vec::new(), None);
    while left.iter().any(|&seconds| seconds > 0.0) {
        let mut may: Vec<usize> =
            (0..speakers).filter(|&who| left[who] > 0.0 && before != Some(who)).collect();
        if may.is_empty() || kind == Kind::Dominant {
            may = (0..speakers).filter(|&who| left[who] > 0.0).collect();
        }
        // By how much they still have to say, so that all are done at about the same time.
        let all: f64 = may.iter().map(|&who| left[who]).sum();
        let mut drawn = random.random_range(0.0..all);
        let who = may.iter().copied().find(|&who| {
            drawn -= left[who];
            drawn <= 0.0
        });
        let who = who.unwrap_or(may[may.len() - 1]);
        let wished = (-random.random_range(0.02_f64..1.0).ln() * TURN_S).clamp(1.2, LONGEST_S);
        // No remainder that is too short to be said.
        let seconds = if left[who] - wished < 1.2 { left[who] } else { wished };
        turns.push(Turn { speaker: who, seconds, pause: kind.pause(random) });
        left[who] -= seconds;
        before = Some(who);
    }
    turns
}

/// A question at the start and every minute; the others answer by turns.
fn questions(speakers: usize, seconds: f64, random: &mut StdRng) -> Vec<Turn> {
    let (mut turns, mut at, mut next) = (Vec::new(), 0.0, 0.0);
    let mut answers = (0..speakers.saturating_sub(1)).cycle();
    let mut answering = 0;
    while at < seconds {
        let (speaker, length) = if at >= next {
            next += MINUTE_S;
            answering = answers.next().unwrap_or_default();
            // The leader, who has most to say, is the first to answer; the last of the cast asks.
            (speakers - 1, random.random_range(QUESTION_S))
        } else {
            let wished: f64 = random.random_range(4.0..LONGEST_S);
            (answering, wished.min((next - at).max(SHORTEST_S + 0.4)))
        };
        let pause = Kind::Question.pause(random);
        turns.push(Turn { speaker, seconds: length, pause });
        at += length + pause;
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn all() -> impl Iterator<Item = (Kind, usize)> {
        Kind::ALL.iter().flat_map(|(kind, speakers)| speakers.iter().map(|n| (*kind, *n)))
    }

    fn spoken(turns: &[Turn], who: usize) -> f64 {
        turns.iter().filter(|turn| turn.speaker == who).map(|turn| turn.seconds).sum()
    }

    #[test]
    fn everybody_speaks_in_a_recording_of_about_its_length() {
        for (kind, speakers) in all() {
            for seed in 0..10 {
                let random = &mut StdRng::seed_from_u64(seed);
                let seconds = kind.seconds(speakers, random);
                let turns = turns(kind, speakers, seconds, random);
                assert!((0..speakers).all(|who| spoken(&turns, who) >= 1.2), "{kind:?} {speakers} {seed}");
                let length: f64 = turns.iter().map(|turn| turn.seconds + turn.pause).sum();
                assert!(
                    (0.6..1.6).contains(&(length / seconds)),
                    "{kind:?} {speakers}: {length} of {seconds}"
                );
            }
        }
    }

    #[test]
    fn a_question_of_two_seconds_comes_every_minute() {
        let turns = turns(Kind::Question, 2, 600.0, &mut StdRng::seed_from_u64(3));
        let asked: Vec<f64> =
            turns.iter().filter(|turn| turn.speaker == 1).map(|turn| turn.seconds).collect();
        assert_eq!(asked.len(), 10);
        assert!(asked.iter().all(|seconds| (1.7..2.3).contains(seconds)), "{asked:?}");
        assert_eq!(turns[0].speaker, 1);
    }

    #[test]
    fn nobody_answers_themselves_while_another_has_something_to_say() {
        let turns = turns(Kind::Even, 3, 120.0, &mut StdRng::seed_from_u64(4));
        let twice = turns.windows(2).filter(|pair| pair[0].speaker == pair[1].speaker).count();
        assert!(twice * 5 < turns.len(), "{twice} of {}", turns.len());
    }
}
