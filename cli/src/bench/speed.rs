//! Speed: what each stage costs in processor time, on one thread, and on what processor.

use crate::bench::recordings::Recording;
use crate::bench::table::Table;
use crate::local;
use diarization::analysis::{self, BlockAnalysis};
use diarization::blocks::{BLOCK_SAMPLES, FRAME_HOP, SAMPLE_RATE, TAIL_SAMPLES};
use diarization::chunks::Chunker;
use diarization::features::{FilterBank, HOP};
use diarization::onnx::Models;
use diarization::timed::Timed;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Processor time of each stage, seconds, and the audio that it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stages {
    /// Seconds of audio.
    pub audio: f64,
    /// File to samples.
    pub decoding: f64,
    /// The segmentation model.
    pub segmentation: f64,
    /// Filter banks. Run once more on the same frames, since the analysis has no seam there.
    pub features: f64,
    /// The embedding model.
    pub embedding: f64,
    /// The rest of the analysis: stitching, pieces.
    pub stitching: f64,
    /// Clustering and labels.
    pub clustering: f64,
    /// Time on the clock, of all.
    pub elapsed: f64,
}

impl Stages {
    /// Adds another recording's.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.audio, other.audio),
            (&mut self.decoding, other.decoding),
            (&mut self.segmentation, other.segmentation),
            (&mut self.features, other.features),
            (&mut self.embedding, other.embedding),
            (&mut self.stitching, other.stitching),
            (&mut self.clustering, other.clustering),
            (&mut self.elapsed, other.elapsed),
        ] {
            *sum += more;
        }
    }

    /// All of them.
    pub fn processor(&self) -> f64 {
        self.decoding + self.segmentation + self.features + self.embedding + self.stitching + self.clustering
    }
}

/// Processor time of this thread so far.
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Analyses `recording` with a clock at every stage but the last.
pub fn analyse(
    recording: &Recording,
    models: &mut Models,
    chunk_blocks: usize,
) -> anyhow::Result<(Vec<BlockAnalysis>, Stages)> {
    let (started, from) = (Instant::now(), processor_time());
    let samples = local::mixed(&recording.audio)?;
    let mut stages = Stages { audio: samples.len() as f64 / f64::from(SAMPLE_RATE), ..Stages::default() };
    stages.decoding = (processor_time() - from).as_secs_f64();
    let mut chunker = Chunker::new(chunk_blocks);
    let mut chunks = chunker.push(&[&samples]);
    chunks.extend(chunker.finish());
    let (mut blocks, mut filter_bank) = (Vec::new(), FilterBank::default());
    let mut timed = Timed::new(models, processor_time);
    let from = processor_time();
    for chunk in &chunks {
        blocks.extend(analysis::analyse(&mut timed, &mut filter_bank, chunk.chunk, &chunk.channels)?);
    }
    let (whole, taken) = (processor_time() - from, timed.taken());
    stages.elapsed = started.elapsed().as_secs_f64();
    stages.segmentation = taken.segmentation.as_secs_f64();
    stages.embedding = taken.embedding.as_secs_f64();
    stages.features = features(&samples, &blocks, &mut filter_bank).as_secs_f64();
    let models = taken.segmentation + taken.embedding;
    stages.stitching = (whole.saturating_sub(models).as_secs_f64() - stages.features).max(0.0);
    Ok((blocks, stages))
}

/// Processor time of the filter banks of the frames in which somebody speaks.
fn features(samples: &[f32], blocks: &[BlockAnalysis], filter_bank: &mut FilterBank) -> Duration {
    let from = processor_time();
    for block in blocks {
        let first = block.block * BLOCK_SAMPLES;
        let end = samples.len().min(first + BLOCK_SAMPLES + TAIL_SAMPLES);
        let speaks = |frame: usize| block.slots.get(frame * HOP / FRAME_HOP).is_some_and(|&bits| bits != 0);
        std::hint::black_box(filter_bank.compute(&samples[first.min(end)..end], speaks));
    }
    processor_time() - from
}

/// Instruction sets of the processor that the models' arithmetic makes use of, best first.
pub fn instruction_set() -> String {
    let found = detected();
    if found.is_empty() { "none known".into() } else { found.join(", ") }
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Vec<&'static str> {
    let all = [
        ("AVX-512 VNNI", std::is_x86_feature_detected!("avx512vnni")),
        ("AVX-512", std::is_x86_feature_detected!("avx512f")),
        ("AVX2", std::is_x86_feature_detected!("avx2")),
        ("FMA", std::is_x86_feature_detected!("fma")),
        ("AVX", std::is_x86_feature_detected!("avx")),
        ("SSE4.2", std::is_x86_feature_detected!("sse4.2")),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(target_arch = "aarch64")]
fn detected() -> Vec<&'static str> {
    let all = [
        ("SVE", std::arch::is_aarch64_feature_detected!("sve")),
        ("I8MM", std::arch::is_aarch64_feature_detected!("i8mm")),
        ("dot product", std::arch::is_aarch64_feature_detected!("dotprod")),
        ("NEON", std::arch::is_aarch64_feature_detected!("neon")),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detected() -> Vec<&'static str> {
    Vec::new()
}

/// A line per stage.
pub fn table(stages: &Stages) -> Table {
    let mut table =
        Table::new(&["stage"], &["processor seconds", "per 1000 s of audio", "share %", "× real time"]);
    let mut add = |name: &str, seconds: f64| {
        let times = if seconds > 0.0 { format!("{:.1}", stages.audio / seconds) } else { "-".into() };
        table.add(vec![
            name.to_owned(),
            format!("{seconds:.3}"),
            format!("{:.3}", 1000.0 * seconds / stages.audio.max(f64::MIN_POSITIVE)),
            format!("{:.1}", 100.0 * seconds / stages.processor().max(f64::MIN_POSITIVE)),
            times,
        ]);
    };
    add("decoding", stages.decoding);
    add("segmentation", stages.segmentation);
    add("features", stages.features);
    add("embedding", stages.embedding);
    add("stitching and pieces", stages.stitching);
    add("clustering and labels", stages.clustering);
    add("all, one thread", stages.processor());
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_passes_with_work_and_not_with_sleep() {
        let (from, started) = (processor_time(), Instant::now());
        std::thread::sleep(Duration::from_millis(50));
        let slept = processor_time() - from;
        assert!(slept < Duration::from_millis(25), "{slept:?}");
        let mut x = 1.0_f64;
        while started.elapsed() < Duration::from_millis(100) || processor_time() == from {
            x = std::hint::black_box(x * 1.000_001);
        }
        assert!(processor_time() - from > slept);
    }

    #[test]
    fn the_shares_of_all_stages_are_one_whole() {
        let mut stages = Stages { audio: 100.0, segmentation: 0.5, embedding: 1.5, ..Stages::default() };
        stages.add(&Stages { audio: 100.0, clustering: 2.0, ..Stages::default() });
        let text = table(&stages).markdown();
        assert!(text.contains("| embedding | 1.500 | 7.500 | 37.5 | 133.3 |"), "{text}");
        assert!(text.contains("| all, one thread | 4.000 | 20.000 | 100.0 | 50.0 |"), "{text}");
    }
}
