//! Peaks: how loud a recording is, as small as a player needs it; made while it is decoded.

use diarization::blocks::SAMPLE_RATE;

/// Peaks of one second.
pub const PER_SECOND: u32 = 20;
/// Samples of one peak.
const WINDOW: usize = (SAMPLE_RATE / PER_SECOND) as usize;

/// The largest sample of each 50 ms, as a byte: 255 is full scale.
#[derive(Clone, Debug, Default)]
pub struct Peaks {
    done: Vec<u8>,
    largest: f32,
    filled: usize,
}

impl Peaks {
    /// Takes the samples that come next.
    pub fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(WINDOW - self.filled));
            self.largest = now.iter().fold(self.largest, |largest, sample| largest.max(sample.abs()));
            self.filled += now.len();
            if self.filled == WINDOW {
                self.close();
            }
            samples = later;
        }
    }

    /// All peaks, the last of them perhaps of less than 50 ms.
    pub fn finish(mut self) -> Vec<u8> {
        if self.filled > 0 {
            self.close();
        }
        self.done
    }

    fn close(&mut self) {
        // A cast to an integer saturates.
        self.done.push((self.largest * 255.0).round() as u8);
        (self.largest, self.filled) = (0.0, 0);
    }
}

/// At most `points` of the peaks, each the largest of as many; and how many of the peaks that is.
pub fn at_most(points: usize, peaks: Vec<u8>) -> (Vec<u8>, usize) {
    let each = peaks.len().div_ceil(points.max(1)).max(1);
    if each == 1 {
        return (peaks, 1);
    }
    (peaks.chunks(each).map(|group| group.iter().copied().max().unwrap_or_default()).collect(), each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peak_is_the_largest_of_its_window_however_the_samples_come() {
        let mut samples = vec![0.0; 2 * WINDOW + 10];
        samples[WINDOW - 1] = -0.5;
        samples[WINDOW] = 0.25;
        samples[2 * WINDOW + 3] = 1.5;
        for part in [1, 7, WINDOW, 4000] {
            let mut peaks = Peaks::default();
            samples.chunks(part).for_each(|part| peaks.push(part));
            assert_eq!(peaks.finish(), [128, 64, 255], "in parts of {part}");
        }
    }

    #[test]
    fn fewer_points_keep_what_is_loudest() {
        assert_eq!(at_most(3, vec![1, 9, 2, 3, 4, 5, 6]), (vec![9, 5, 6], 3));
        assert_eq!(at_most(7, vec![1; 7]), (vec![1; 7], 1));
        assert_eq!(at_most(0, vec![]), (vec![], 1));
    }
}
