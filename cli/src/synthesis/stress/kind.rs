//! Kind: what is hard about a recording.

use rand::Rng;
use rand::rngs::StdRng;

/// Kinds of stress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One speaker and nobody else.
    Alone,
    /// All speak about as much.
    Even,
    /// One speaks 95 % of the time.
    Dominant,
    /// One asks for two seconds every minute.
    Question,
    /// Digital silence between turns, as noise gates leave it.
    Gated,
    /// One is 20 dB quieter than the others, who are heard through their noise.
    Faint,
    /// Turns lie apart, with the noise of the room between them.
    Room,
}

impl Kind {
    /// All, with the numbers of speakers that there are recordings of.
    pub const ALL: [(Self, &[usize]); 7] = [
        (Self::Alone, &[1]),
        (Self::Even, &[2, 3, 4, 6, 10]),
        (Self::Dominant, &[2, 3, 4]),
        (Self::Question, &[2, 3]),
        (Self::Gated, &[1, 2, 3, 4, 6]),
        (Self::Faint, &[2, 3, 4]),
        (Self::Room, &[1, 2, 3, 4, 6, 10]),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Even => "even",
            Self::Dominant => "dominant",
            Self::Question => "question",
            Self::Gated => "gated",
            Self::Faint => "faint",
            Self::Room => "room",
        }
    }

    /// Length of a recording in seconds: most are short, one in sixteen is longer than five minutes.
    pub fn seconds(self, speakers: usize, random: &mut StdRng) -> f64 {
        let (least, most) = match random.random_range(0..16) {
            0..12 => (20.0, 90.0),
            12..15 => (90.0, 300.0),
            _ => (300.0, 1200.0_f64),
        };
        let drawn = least * (most / least).powf(random.random_range(0.0..1.0));
        drawn.max(self.least_seconds(speakers))
    }

    /// Shortest recording in which it can be what it is.
    pub fn least_seconds(self, speakers: usize) -> f64 {
        let others = speakers.saturating_sub(1) as f64;
        match self {
            // Each of the others has at least 1.2 s of the 5 %.
            Self::Dominant => (24.0 * others).max(30.0),
            Self::Question => 130.0,
            _ => (4.0 * speakers as f64).max(20.0),
        }
    }

    /// Draws each speaker's share of the speech; the first speaker leads.
    pub fn shares(self, speakers: usize, random: &mut StdRng) -> Vec<f64> {
        let mut shares: Vec<f64> = (0..speakers).map(|_| random.random_range(0.6..1.4)).collect();
        let all: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= all);
        if self == Self::Dominant {
            let others = 1.0 - shares[0];
            shares.iter_mut().for_each(|share| *share *= 0.05 / others);
            shares[0] = 0.95;
        }
        shares
    }

    /// Seconds between two turns.
    pub fn pause(self, random: &mut StdRng) -> f64 {
        match self {
            Self::Gated | Self::Room => random.random_range(0.3..3.0),
            _ => random.random_range(0.05..0.6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_dominant_one_has_nineteen_twentieths_and_no_kind_loses_any() {
        let random = &mut StdRng::seed_from_u64(1);
        for (kind, speakers) in Kind::ALL.iter().flat_map(|(kind, all)| all.iter().map(|n| (*kind, *n))) {
            let shares = kind.shares(speakers, random);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{kind:?} {shares:?}");
            if kind == Kind::Dominant {
                assert!((shares[0] - 0.95).abs() < 1e-9, "{shares:?}");
            }
        }
    }

    #[test]
    fn lengths_are_between_twenty_seconds_and_twenty_minutes_and_mostly_short() {
        let random = &mut StdRng::seed_from_u64(2);
        let lengths: Vec<f64> = (0..1000).map(|_| Kind::Even.seconds(2, random)).collect();
        assert!(lengths.iter().all(|s| (20.0..=1200.0).contains(s)));
        let short = lengths.iter().filter(|&&s| s < 90.0).count();
        assert!((700..800).contains(&short), "{short}");
        assert!(lengths.iter().any(|&s| s > 600.0));
    }
}
