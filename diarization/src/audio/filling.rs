//! Filling: how much silence may stand for what the time stamps of a file leave out, so that crafted ones do not make days out of
//! nothing.

/// A hole that the file's own length does not cover is filled up to here: beyond, the time stamp is more likely wrong than the sound
/// missing.
const MAX_HOLE_S: f64 = 60.0;
/// All such holes of one file together.
const MAX_FILL_S: f64 = 600.0;
/// All silence that a file's own length covers: two days of two channels at 48 kHz. Of more values a second there is less, since each
/// takes work.
const MOST_S: f64 = 48.0 * 3600.0;
const VALUES_PER_S: f64 = 96_000.0;
/// Lengths are rounded, and the last packet may reach beyond.
const SLACK_S: f64 = 1.0;

/// Silence that may still be filled in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling {
    /// End of the file by its own word, in s on the clock of its time stamps.
    end_s: Option<f64>,
    covered_s: f64,
    values: f64,
    bare_s: f64,
}

impl Default for Filling {
    fn default() -> Self {
        Self { end_s: None, covered_s: MOST_S, values: MOST_S * VALUES_PER_S, bare_s: MAX_FILL_S }
    }
}

impl Filling {
    /// From now on the file ends at `end_s`, if that is known: no more silence than that is covered.
    pub(super) fn ends(&mut self, end_s: Option<f64>) {
        self.end_s = end_s;
        self.covered_s = self.covered_s.min(end_s.map_or(MOST_S, |end| end + SLACK_S));
    }

    /// Takes the hole from `from_s` to `to_s` out of what is left, unless that is too little; `shape` is its rate and channels.
    pub(super) fn take(&mut self, from_s: f64, to_s: f64, shape: (u32, usize)) -> bool {
        let length = to_s - from_s;
        let values = length * f64::from(shape.0) * shape.1 as f64;
        let is_covered = self.end_s.is_some_and(|end| to_s.max(length) <= end + SLACK_S);
        let left = if is_covered && length <= self.covered_s && values <= self.values {
            self.values -= values;
            &mut self.covered_s
        } else if length <= MAX_HOLE_S && length <= self.bare_s {
            &mut self.bare_s
        } else {
            return false;
        };
        *left -= length;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: (u32, usize) = (48_000, 2);

    #[test]
    fn a_hole_that_the_length_of_the_file_covers_is_filled_however_long_it_is() {
        let mut filling = Filling::default();
        filling.ends(Some(7_200.0));
        assert!(filling.take(10.0, 7_000.0, PLAIN));
        assert!(!filling.take(7_000.0, 9_000.0, PLAIN));
    }

    #[test]
    fn what_no_length_covers_is_filled_a_minute_at_a_time_and_ten_in_all() {
        let mut filling = Filling::default();
        assert!(!filling.take(0.0, 61.0, PLAIN));
        assert_eq!((0..20).filter(|_| filling.take(0.0, 59.0, PLAIN)).count(), 10);
    }

    #[test]
    fn a_file_that_claims_to_last_for_years_gets_two_days() {
        let mut filling = Filling::default();
        filling.ends(Some(1e12));
        assert!(!filling.take(0.0, 1e9, PLAIN));
        assert_eq!(
            (0..100)
                .filter(|n: &i32| filling.take(f64::from(*n) * 3600.0, f64::from(*n + 1) * 3600.0, PLAIN))
                .count(),
            48
        );
    }

    #[test]
    fn many_channels_at_a_high_rate_get_less() {
        let mut filling = Filling::default();
        filling.ends(Some(48.0 * 3600.0));
        assert!(!filling.take(0.0, 3600.0, (768_000, 64)));
        assert!(filling.take(0.0, 300.0, (768_000, 64)));
    }
}
