//! Pcm: samples in 16 bits, each stretch of a quarter of a second with a power of two in common.
//!
//! Every recording is rounded so before anything hears it, whether its chunks travel or not: what is stored of a chunk is then what
//! was heard, bit for bit. Quiet stretches lose nothing, since each has a scale of its own; 16-bit audio at 16 kHz is as it was. Stretches
//! are counted from the first sample of the recording, and chunks begin at the border of one.

/// Samples of a stretch: a divisor of the step of the windows, and so of where chunks begin.
pub const STRETCH: usize = 3_996;

/// The finest step: of what is quieter than that nothing is heard.
const FINEST: i32 = 40;
/// The coarsest: samples are finite and far smaller.
const COARSEST: i32 = -32;

/// Rounds a stretch of samples, which may be the last and shorter. Twice is once, also of a part of what was rounded.
pub fn round(stretch: &mut [f32]) {
    let scale = scale(stretch);
    for sample in stretch {
        *sample = f32::from(step(*sample, scale)) / power(scale);
    }
}

/// The power of two by which `stretch` fits into 16 bits.
fn scale(stretch: &[f32]) -> i32 {
    let (least, most) =
        stretch.iter().fold((0.0_f32, 0.0_f32), |(least, most), &x| (least.min(x), most.max(x)));
    let fits = |scale: i32| {
        (most * power(scale)).round() <= f32::from(i16::MAX)
            && (least * power(scale)).round() >= f32::from(i16::MIN)
    };
    (COARSEST..=FINEST).rev().find(|&scale| fits(scale)).unwrap_or(COARSEST)
}

fn power(scale: i32) -> f32 {
    2.0_f32.powi(scale)
}

fn step(sample: f32, scale: i32) -> i16 {
    // A cast keeps what does not fit at the border.
    (sample * power(scale)).round() as i16
}

/// Bytes of so many samples.
pub const fn packed_len(samples: usize) -> usize {
    samples.div_ceil(STRETCH) + 2 * samples
}

/// `samples`, which begin where a stretch does, as they are stored: of each stretch its scale, one byte, and its samples, two bytes
/// each, little-endian.
pub fn pack(samples: &[f32], bytes: &mut Vec<u8>) {
    bytes.reserve(packed_len(samples.len()));
    for stretch in samples.chunks(STRETCH) {
        let scale = scale(stretch);
        bytes.push((scale as i8).to_le_bytes()[0]);
        for &sample in stretch {
            bytes.extend_from_slice(&step(sample, scale).to_le_bytes());
        }
    }
}

/// The samples in `bytes`, as [`pack`] wrote them.
pub fn unpack(bytes: &[u8]) -> Vec<f32> {
    let mut samples = Vec::with_capacity(bytes.len() / 2);
    for stretch in bytes.chunks(1 + 2 * STRETCH) {
        let scale = i32::from(i8::from_le_bytes([stretch[0]])).clamp(COARSEST, FINEST);
        let steps = stretch[1..].as_chunks::<2>().0;
        samples.extend(steps.iter().map(|step| f32::from(i16::from_le_bytes(*step)) / power(scale)));
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{Chunk, STEP_SAMPLES};
    use proptest::prelude::*;

    #[test]
    fn chunks_begin_where_a_stretch_does() {
        assert_eq!(STEP_SAMPLES % STRETCH, 0);
        for blocks in [1, 2, 5] {
            assert_eq!(Chunk::nth(3, blocks).sample_range().start % STRETCH, 0);
        }
    }

    #[test]
    fn sixteen_bit_audio_is_as_it_was() {
        let audio: Vec<f32> = (i16::MIN..=i16::MAX).map(|x| f32::from(x) / 32_768.0).collect();
        let mut rounded = audio.clone();
        rounded.chunks_mut(STRETCH).for_each(round);
        assert_eq!(rounded, audio);
    }

    #[test]
    fn what_is_quiet_keeps_its_shape() {
        let quiet: Vec<f32> = (0..STRETCH).map(|i| 1e-6 * (i as f32 * 0.01).sin()).collect();
        let mut rounded = quiet.clone();
        round(&mut rounded);
        let worst = quiet.iter().zip(&rounded).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-6 / 16_384.0, "{worst}");
        let mut silent = [0.0; 10];
        round(&mut silent);
        assert_eq!(silent, [0.0; 10]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_stored_is_what_was_heard_wherever_it_is_cut(
            mut samples in prop::collection::vec(-2.0_f32..2.0, 1..3 * STRETCH), loud in -30_i32..20, cut in 0_usize..STRETCH
        ) {
            samples.iter_mut().for_each(|sample| *sample *= 2.0_f32.powi(loud));
            samples.chunks_mut(STRETCH).for_each(round);
            let end = samples.len().saturating_sub(cut).max(1);
            let part = &samples[..end];
            let mut bytes = Vec::new();
            pack(part, &mut bytes);
            prop_assert_eq!(bytes.len(), packed_len(end));
            prop_assert_eq!(unpack(&bytes), part);
        }
    }
}
