//! Sides: what the two channels of a file have to do with each other, gathered while the file is read once.
//!
//! Of every 50 ms it keeps how loud both channels are, as counts in a table of decibels by decibels: the table does not grow with
//! the file, and nothing is decided before its end, so the answer does not depend on how the file is cut or on what comes first.

/// Frames per second.
const FRAMES_PER_S: u32 = 20;
/// Levels run from this many dB relative to full scale, in steps of 1 dB.
const LOWEST_DB: i32 = -120;
const LEVELS: usize = 141;

/// A channel is as loud as the loudest hundredth of it: somebody who speaks for a fiftieth of a call is heard.
const LOUD_SHARE: f64 = 0.01;
/// A channel whose loudest hundredth is below this is silent (16-bit dither is at -98).
const SILENT_DB: f64 = -75.0;
/// Speech rises and falls: the loudest hundredth is this much above the quietest fifth. Hum and hiss are not.
const SPEECH_RANGE_DB: f64 = 10.0;
/// Sound more than this much below a channel's own level is a pause.
const PAUSE_DB: f64 = 25.0;
/// One side alone is heard where it is this much louder than the other, each measured by its own level. What is nearer is heard on both,
/// as in a room.
pub(crate) const APART_DB: f64 = 15.0;
/// Two sides take turns: so much of all that is heard is one side's alone,
const ALONE_SHARE: f64 = 0.5;
/// and each has so much of that,
const SIDE_SHARE: f64 = 0.02;
/// but at least so many seconds.
const SIDE_S: f64 = 1.0;
/// From this correlation on two channels hold the same sound.
const SAME: f64 = 0.98;

/// Takes in a file of two channels.
#[derive(Clone, Debug)]
pub(super) struct Sides {
    rate: u32,
    /// Sums over the frame that is being filled: the squares of both channels, and their products.
    squares: [f64; 2],
    products: f64,
    filled: usize,
    /// Per pair of levels: how many frames have it, and the sum of their correlations.
    frames: Vec<u32>,
    correlations: Vec<f64>,
}

/// Levels, speech and correlation of the two channels of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// Level of each channel where it is loud, in dB relative to full scale; `None` of a silent one.
    pub levels_db: [Option<f64>; 2],
    /// True where the channel's level rises and falls as that of speech does.
    pub speaks: [bool; 2],
    /// Seconds in which anything is heard.
    pub active_s: f64,
    /// Seconds in which only this channel is.
    pub alone_s: [f64; 2],
    /// Correlation of the channels where both are heard, from 0 to 1, whatever its sign.
    pub correlation: f64,
}

impl Heard {
    /// True where the channels are the two sides of a call: both speak, mostly one at a time.
    pub fn is_two_sides(&self) -> bool {
        let [a, b] = self.alone_s;
        let least = (SIDE_SHARE * self.active_s).max(SIDE_S);
        self.speaks == [true, true] && a.min(b) >= least && a + b >= ALONE_SHARE * self.active_s
    }

    /// True where both hold the same sound, turned over or not, in whatever proportion. A voice panned to one side is on both.
    pub fn is_same(&self) -> bool {
        self.levels_db.iter().all(Option::is_some)
            && self.correlation >= SAME
            && self.alone_s.iter().sum::<f64>() < SIDE_SHARE * self.active_s
    }
}

impl Sides {
    /// For channels at `rate` Hz.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate,
            squares: [0.0; 2],
            products: 0.0,
            filled: 0,
            frames: vec![0; LEVELS * LEVELS],
            correlations: vec![0.0; LEVELS * LEVELS],
        }
    }

    /// Takes the frames that come next, interleaved, at `rate` Hz.
    pub(super) fn push(&mut self, interleaved: &[f32], rate: u32) {
        if rate != self.rate {
            self.close();
            self.rate = rate;
        }
        let length = (self.rate / FRAMES_PER_S).max(1) as usize;
        for pair in interleaved.as_chunks::<2>().0 {
            let [a, b] = pair.map(f64::from);
            self.squares[0] += a * a;
            self.squares[1] += b * b;
            self.products += a * b;
            self.filled += 1;
            if self.filled == length {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        if self.filled > 0 {
            let [a, b] = self.squares.map(|sum| level_of(sum / self.filled as f64));
            let at = a * LEVELS + b;
            self.frames[at] += 1;
            let both = (self.squares[0] * self.squares[1]).sqrt();
            self.correlations[at] += if both > 0.0 { (self.products / both).abs() } else { 0.0 };
        }
        (self.squares, self.products, self.filled) = ([0.0; 2], 0.0, 0);
    }

    /// Sums up the frames that were taken.
    pub(super) fn heard(mut self) -> Heard {
        self.close();
        let cells = || {
            let pairs = (0..LEVELS).flat_map(|a| (0..LEVELS).map(move |b| [a, b]));
            pairs.zip(self.frames.iter().zip(&self.correlations)).filter(|(_, (count, _))| **count > 0)
        };
        let mut of_level = [[0_u64; LEVELS]; 2];
        for (levels, (count, _)) in cells() {
            (0..2).for_each(|side| of_level[side][levels[side]] += u64::from(*count));
        }
        let loud = of_level.each_ref().map(|counts| reached_by(counts, LOUD_SHARE));
        let quiet = of_level.each_ref().map(|counts| reached_by(counts, 1.0 - 0.2));
        let levels_db = loud.map(|level| Some(level).filter(|db| *db > SILENT_DB));
        let (mut active, mut alone, mut both, mut correlation) = (0, [0; 2], 0, 0.0);
        for (levels, (&count, sum)) in cells() {
            // How far below its own level each channel is.
            let own = [0, 1].map(|side| levels_db[side].map(|loud| db_of(levels[side]) - loud));
            let is_heard = own.map(|own| own.is_some_and(|own| own >= -PAUSE_DB));
            if is_heard == [false, false] {
                continue;
            }
            active += count;
            let [a, b] = own.map(|own| own.unwrap_or(f64::NEG_INFINITY));
            for (side, (this, other)) in [(a, b), (b, a)].into_iter().enumerate() {
                if is_heard[side] && this - other >= APART_DB {
                    alone[side] += count;
                }
            }
            if is_heard == [true, true] {
                both += count;
                correlation += sum;
            }
        }
        let seconds = |frames: u32| f64::from(frames) / f64::from(FRAMES_PER_S);
        Heard {
            levels_db,
            speaks: [0, 1]
                .map(|side| levels_db[side].is_some() && loud[side] - quiet[side] >= SPEECH_RANGE_DB),
            active_s: seconds(active),
            alone_s: alone.map(seconds),
            correlation: if both > 0 { correlation / f64::from(both) } else { 0.0 },
        }
    }
}

fn level_of(power: f64) -> usize {
    let db = if power > 0.0 { 10.0 * power.log10() } else { f64::from(LOWEST_DB) };
    (db.round() as i32 - LOWEST_DB).clamp(0, LEVELS as i32 - 1) as usize
}

fn db_of(level: usize) -> f64 {
    f64::from(level as i32 + LOWEST_DB)
}

/// The highest level that at least `share` of the frames reach.
fn reached_by(counts: &[u64; LEVELS], share: f64) -> f64 {
    let all: u64 = counts.iter().sum();
    let wanted = ((all as f64 * share) as u64).max(1);
    let mut above = 0;
    for (level, count) in counts.iter().enumerate().rev() {
        above += count;
        if above >= wanted {
            return db_of(level);
        }
    }
    db_of(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    /// Something that rises and falls, four times a second, and is like nothing with another `seed`.
    fn speech(seed: u64, n: usize) -> f32 {
        let x = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ seed.wrapping_mul(0xD1B5_4A32_D192_ED03));
        let noise =
            ((x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        let swell = (n as f32 / RATE as f32 * 2.0 * std::f32::consts::PI * 2.0).sin().abs();
        0.3 * noise * swell * swell
    }

    /// Side whose turn it is at sample `n`: four seconds each.
    fn turn(n: usize) -> usize {
        n / (4 * RATE as usize) % 2
    }

    fn heard(seconds: usize, pair: impl Fn(usize) -> [f32; 2]) -> Heard {
        let mut sides = Sides::new(RATE);
        let all: Vec<f32> = (0..seconds * RATE as usize).flat_map(pair).collect();
        all.chunks(2 * 777).for_each(|part| sides.push(part, RATE));
        sides.heard()
    }

    fn call(leak: f32, quieter: f32) -> Heard {
        heard(60, |n| {
            let (a, b) = if turn(n) == 0 { (speech(1, n), 0.0) } else { (0.0, quieter * speech(2, n)) };
            [a + leak * b, b + leak * a]
        })
    }

    #[test]
    fn the_sides_of_a_call_are_two_even_where_one_is_quiet_and_hears_the_other() {
        for (leak, quieter) in [(0.0, 1.0), (0.01, 1.0), (0.0, 0.1), (0.01, 0.1)] {
            let heard = call(leak, quieter);
            assert!(heard.is_two_sides() && !heard.is_same(), "{leak} {quieter}: {heard:?}");
        }
    }

    #[test]
    fn what_is_heard_on_both_channels_is_not_two_sides() {
        let voice = |n| if turn(n) == 0 { speech(1, n) } else { speech(2, n) };
        let cases = [
            ("the same", heard(60, |n| [voice(n); 2])),
            ("one side quieter", heard(60, |n| [voice(n), 0.1 * voice(n)])),
            ("turned over", heard(60, |n| [voice(n), -voice(n)])),
            ("later", heard(60, |n| [voice(n), voice(n.saturating_sub(40))])),
            (
                "a room",
                heard(60, |n| {
                    if turn(n) == 0 {
                        [speech(1, n), 0.4 * speech(1, n)]
                    } else {
                        [0.4 * speech(2, n), speech(2, n)]
                    }
                }),
            ),
            ("two at once all the time", heard(60, |n| [speech(1, n), speech(2, n)])),
            ("one silent", heard(60, |n| [voice(n), 0.0])),
            ("both silent", heard(60, |_| [0.0; 2])),
            ("one hums", heard(60, |n| [voice(n), 0.1 * (n as f32 * 0.1).sin()])),
        ];
        for (what, heard) in cases {
            assert!(!heard.is_two_sides(), "{what}: {heard:?}");
            let same = ["the same", "one side quieter", "turned over", "a room"].contains(&what);
            assert_eq!(heard.is_same(), same, "{what}: {heard:?}");
        }
    }

    #[test]
    fn a_silent_channel_has_no_level_and_a_quiet_one_has_its_own() {
        let silent = heard(20, |n| [speech(1, n), 1e-5 * speech(2, n)]);
        assert!(silent.levels_db[0].is_some() && silent.levels_db[1].is_none(), "{silent:?}");
        let [Some(loud), Some(quiet)] = call(0.0, 0.1).levels_db else { panic!("both speak") };
        assert!((loud - quiet - 20.0).abs() <= 2.0, "{loud} {quiet}");
    }

    #[test]
    fn it_does_not_matter_how_the_samples_come_nor_how_loud_a_file_is() {
        let all: Vec<f32> = (0..300_001).flat_map(|n| [speech(1, n), speech(2, n + 7)]).collect();
        let read = |part: usize| {
            let mut sides = Sides::new(RATE);
            all.chunks(2 * part).for_each(|part| sides.push(part, RATE));
            sides.heard()
        };
        assert_eq!(read(1), read(300_001));
        let huge = heard(3, |_| [1e9, -1e9]);
        assert!(huge.levels_db.iter().all(|db| db.is_some_and(f64::is_finite)));
        assert_eq!(heard(0, |_| [0.0; 2]).active_s, 0.0);
    }
}
