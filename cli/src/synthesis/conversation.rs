//! Conversation: who says something when, in speech times drawn at random.

use clap::ValueEnum;
use rand::Rng;
use rand::rngs::StdRng;

/// Longest that one speaker goes on, seconds.
const LONGEST_TURN_S: f64 = 25.0;
/// Probability that a listener says a word while somebody else speaks.
const BACK_CHANNEL: f64 = 0.12;
/// Probability that the next speaker begins before the last one ends.
const INTERRUPTS: f64 = 0.15;

/// Kinds of recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// Half a minute of two to four people.
    Clip,
    /// Two people on the telephone, for some minutes.
    Call,
    /// Two or three people in a quiet room, for a quarter of an hour; often one joins late or is away for long.
    Interview,
    /// Three to six people around a table, with echo and noise.
    Meeting,
    /// Eight to twelve people, with echo and noise.
    Crowd,
}

impl Kind {
    /// Its name, which is its group in the bench.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clip => "clip",
            Self::Call => "call",
            Self::Interview => "interview",
            Self::Meeting => "meeting",
            Self::Crowd => "crowd",
        }
    }

    /// Fewest and most speakers.
    pub fn speakers(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Clip => 2..=4,
            Self::Call => 2..=2,
            Self::Interview => 2..=3,
            Self::Meeting => 3..=6,
            Self::Crowd => 8..=12,
        }
    }

    fn seconds(self, random: &mut StdRng) -> f64 {
        match self {
            Self::Clip => 30.0,
            Self::Call => random.random_range(60.0..300.0),
            Self::Interview => random.random_range(480.0..1200.0),
            Self::Meeting => random.random_range(300.0..900.0),
            Self::Crowd => random.random_range(600.0..1200.0),
        }
    }

    /// Mean length of a turn, seconds.
    fn turn_seconds(self) -> f64 {
        match self {
            Self::Clip | Self::Call => 2.5,
            Self::Interview => 5.0,
            Self::Meeting | Self::Crowd => 3.5,
        }
    }
}

/// Something that is to be said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Saying {
    /// Number of the speaker.
    pub speaker: usize,
    /// Start, in seconds from the start of the recording.
    pub at: f64,
    /// For how long.
    pub seconds: f64,
}

/// A plan.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Utterances, by start.
    pub sayings: Vec<Saying>,
    /// Length of the recording.
    pub seconds: f64,
}

/// Presence of a speaker, in shares of the recording.
struct Presence {
    from: f64,
    away: Option<(f64, f64)>,
    weight: f64,
}

impl Presence {
    fn draw(kind: Kind, first: bool, random: &mut StdRng) -> Self {
        let weight = random.random_range(0.3..1.5);
        let mut presence = Self { from: 0.0, away: None, weight };
        let long = !matches!(kind, Kind::Clip | Kind::Call);
        if long && !first && random.random_bool(0.3) {
            presence.from = random.random_range(0.2..0.6);
        } else if long && random.random_bool(0.25) {
            let gone = random.random_range(0.15..0.45);
            presence.away = Some((gone, gone + random.random_range(0.2..0.45)));
        }
        presence
    }

    fn is_there(&self, share: f64) -> bool {
        share >= self.from && self.away.is_none_or(|(gone, back)| !(gone..back).contains(&share))
    }
}

/// Plans a conversation of `speakers` people.
pub fn plan(kind: Kind, speakers: usize, random: &mut StdRng) -> Conversation {
    let seconds = kind.seconds(random);
    let people: Vec<Presence> = (0..speakers).map(|who| Presence::draw(kind, who == 0, random)).collect();
    let mut sayings: Vec<Saying> = Vec::new();
    let (mut now, mut last) = (random.random_range(0.1..2.0), None);
    while now < seconds - 1.0 {
        let Some(speaker) = next(&people, now / seconds, last, random) else {
            now += 5.0;
            continue;
        };
        let drawn = -kind.turn_seconds() * random.random_range(0.02_f64..1.0).ln();
        let length = drawn.clamp(0.4, LONGEST_TURN_S).min(seconds - now - 0.1);
        sayings.push(Saying { speaker, at: now, seconds: length });
        if length > 2.0 && random.random_bool(BACK_CHANNEL) {
            let listener = next(&people, now / seconds, Some(speaker), random).filter(|who| *who != speaker);
            if let Some(listener) = listener {
                let at = now + random.random_range(0.3..length - 1.0);
                sayings.push(Saying { speaker: listener, at, seconds: random.random_range(0.3..1.0) });
            }
        }
        last = Some(speaker);
        let pause = if random.random_bool(INTERRUPTS) {
            -random.random_range(0.1..1.2_f64).min(0.7 * length)
        } else {
            -0.4 * random.random_range(0.01_f64..1.0).ln()
        };
        now += length + pause;
    }
    sayings.sort_by(|a, b| a.at.total_cmp(&b.at));
    Conversation { sayings, seconds }
}

/// Draws the next speaker, weighted by how much each has to say; the last speaker seldom goes on.
fn next(people: &[Presence], share: f64, last: Option<usize>, random: &mut StdRng) -> Option<usize> {
    let weight = |who: usize| {
        let person = &people[who];
        let again = if last == Some(who) { 0.1 } else { 1.0 };
        if person.is_there(share) { person.weight * again } else { 0.0 }
    };
    let all: f64 = (0..people.len()).map(weight).sum();
    let mut drawn = random.random_range(0.0..1.0) * all;
    (0..people.len()).filter(|&who| weight(who) > 0.0).find(|&who| {
        drawn -= weight(who);
        drawn <= 0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_plan_stays_within_its_length_and_comes_again_from_its_seed() {
        for kind in Kind::value_variants() {
            for seed in 0..20 {
                let plan = |seed| plan(*kind, 3, &mut StdRng::seed_from_u64(seed));
                let (one, again) = (plan(seed), plan(seed));
                assert_eq!(one.sayings, again.sayings);
                assert!(
                    one.sayings.iter().all(|s| s.at >= 0.0 && s.at + s.seconds <= one.seconds),
                    "{kind:?} {seed}"
                );
                assert!(one.sayings.len() > 3 && one.sayings.is_sorted_by_key(|s| s.at));
            }
        }
    }

    #[test]
    fn somebody_who_is_away_says_nothing() {
        let person = Presence { from: 0.2, away: Some((0.5, 0.7)), weight: 1.0 };
        assert_eq!([0.1, 0.3, 0.6, 0.8].map(|share| person.is_there(share)), [false, true, false, true]);
    }
}
