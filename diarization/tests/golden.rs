//! Our stages agree with the published Python implementations on real speech.

mod support {
    pub mod audio;
    pub mod models;
    pub mod npy;
}

use diarization::blocks::{WINDOW_FRAMES, WINDOW_SAMPLES};
use diarization::embedding::{EmbeddingModel, pooled_frames};
use diarization::features::{Features, FilterBank, MEL_BINS};
use diarization::segmentation::{BATCH, CLASSES, SegmentationModel};
use diarization::similarity::{dot, normalise};
use support::npy;

const CLIPS: [&str; 2] = ["clip2", "clip3"];

fn samples(clip: &str) -> Vec<f32> {
    support::audio::samples(&format!("tests/data/golden/{clip}.wav"))
}

fn golden(clip: &str, array: &str) -> npy::Array {
    npy::read(&format!("tests/data/golden/{clip}_{array}.npy"))
}

fn filter_banks(clip: &str) -> Features {
    FilterBank::default().compute(&samples(clip), |_| true)
}

fn mean(features: &Features) -> Vec<f32> {
    let mean = |bin: usize| {
        (0..features.len()).map(|i| f64::from(features.frame(i)[bin])).sum::<f64>() / features.len() as f64
    };
    (0..MEL_BINS).map(|bin| mean(bin) as f32).collect()
}

fn assert_close(found: &[f32], golden: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), golden.len(), "{what}");
    for (index, (found, golden)) in found.iter().zip(golden).enumerate() {
        let apart = (found - golden).abs();
        assert!(apart <= tolerance, "{what}, value {index}: {found} is not {golden}");
    }
}

#[test]
fn filter_banks_are_those_of_kaldi() {
    for clip in CLIPS {
        let (features, golden) = (filter_banks(clip), golden(clip, "fbank"));
        assert_eq!(golden.shape, [100, MEL_BINS]);
        for (index, row) in golden.rows().enumerate() {
            assert_close(features.frame(index), row, 1e-3, &format!("{clip} frame {index}"));
        }
    }
}

#[test]
fn filter_banks_of_the_whole_clip_have_the_mean_that_kaldi_finds() {
    for clip in CLIPS {
        assert_close(&mean(&filter_banks(clip)), &golden(clip, "fbank_mean").values, 1e-3, clip);
    }
}

#[test]
fn segmentation_log_probabilities_are_those_of_the_reference_in_every_row_of_a_batch() {
    let mut models = support::models::load();
    for clip in CLIPS {
        let golden = golden(clip, "seglogprobs");
        assert_eq!(golden.shape, [WINDOW_FRAMES, CLASSES]);
        let mut window = samples(clip);
        window.resize(WINDOW_SAMPLES, 0.0);
        let found = models.log_probabilities(&window.repeat(BATCH)).expect("the model runs");
        for (row, scores) in found.chunks_exact(WINDOW_FRAMES * CLASSES).enumerate() {
            assert_close(scores, &golden.values, 1e-3, &format!("{clip} in row {row}"));
        }
    }
}

#[test]
fn a_clip_has_the_voice_that_the_reference_hears_in_it() {
    let mut models = support::models::load();
    for clip in CLIPS {
        let features = filter_banks(clip);
        let mean = mean(&features);
        let centred: Vec<f32> = (0..features.len())
            .flat_map(|i| features.frame(i).iter().zip(&mean).map(|(x, mean)| x - mean).collect::<Vec<_>>())
            .collect();
        let unit = |vector: Vec<f32>| normalise(vector).expect("a voice has a direction");
        let everywhere = vec![1.0; pooled_frames(features.len())];
        let found = unit(models.embed(&centred, &everywhere).expect("the model runs"));
        let cosine = dot(&found, &unit(golden(clip, "embedding_raw").values));
        // The reference computes in 32 bits, ours in 8: that costs 0.006 on average, 0.017 at most (models/README.md).
        assert!(cosine >= 0.98, "{clip}: cosine {cosine}");
    }
}
