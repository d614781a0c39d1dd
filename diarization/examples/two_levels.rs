//! Two levels against one: how much accuracy the bounds on clustering cost, and what they save. See docs/decisions/0005.
//!
//!   cargo run --release -p diarization --example two_levels -- HOURS KEPT AUDIO...
//!
//! Hears the recordings, each with an RTTM beside it, one after the other and again until there are HOURS hours of them (0: once).
//! The analyses, which take nearly all the time, are written to the file KEPT and read from there the next time.

// What is measured here is time, among other things; the library has no clock.
#![allow(clippy::disallowed_methods)]

use diarization::analysis::{self, BlockAnalysis};
use diarization::audio;
use diarization::blocks::{DEFAULT_CHUNK_BLOCKS, SAMPLE_RATE};
use diarization::chunks::Chunker;
use diarization::diarize::{Diarization, Diarizer, Settings};
use diarization::features::FilterBank;
use diarization::installation;
use diarization::onnx::{Device, Models};
use diarization::rttm::{self, Segment};
use diarization::scoring::{self, Options, Score};
use diarization::training::Bounds;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// Analyses and reference that are kept.
#[derive(Serialize, Deserialize)]
struct Heard {
    blocks: Vec<BlockAnalysis>,
    samples: usize,
    /// Start in seconds, length and speaker of all that is said.
    reference: Vec<(f64, f64, String)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [hours, kept, recordings @ ..] = arguments.as_slice() else {
        return Err("usage: two_levels HOURS KEPT AUDIO... (see the top of the program)".into());
    };
    let heard = match std::fs::read(kept) {
        Ok(bytes) => rmp_serde::from_slice(&bytes)?,
        Err(_) => {
            let heard = hear(hours.parse()?, recordings)?;
            std::fs::write(kept, rmp_serde::to_vec(&heard)?)?;
            heard
        }
    };
    let pieces: usize = heard.blocks.iter().map(|block| block.pieces.len()).sum();
    println!("{:.2} h, {pieces} pieces", heard.samples as f64 / f64::from(SAMPLE_RATE) / 3600.0);
    println!(
        "| clustered at once | group | DER | confusion | speakers | seconds | frames unlike one level |"
    );
    println!("|---|---|---|---|---|---|---|");
    let (one_level, took) = diarize(&heard, Bounds { most: usize::MAX, group: usize::MAX });
    report("all", "", &heard, &one_level, &one_level, took);
    for (most, group) in
        [(4096, 1024), (4096, 512), (2048, 1024), (2048, 512), (1024, 256), (512, 128), (256, 64)]
    {
        let (found, took) = diarize(&heard, Bounds { most, group });
        report(&most.to_string(), &group.to_string(), &heard, &found, &one_level, took);
    }
    Ok(())
}

/// Analyses the recordings in turn until there are `hours` hours.
fn hear(hours: f64, recordings: &[String]) -> Result<Heard, Box<dyn Error>> {
    let wanted = (hours * 3600.0 * f64::from(SAMPLE_RATE)) as usize;
    let mut models = Models::load(&installation::models(), &installation::onnx_runtime(), Device::Cpu)?;
    let mut filter_bank = FilterBank::default();
    let mut chunker = Chunker::new(DEFAULT_CHUNK_BLOCKS);
    let (mut blocks, mut reference) = (Vec::new(), Vec::new());
    while blocks.is_empty() || chunker.samples() < wanted {
        for path in recordings {
            let offset = chunker.samples() as f64 / f64::from(SAMPLE_RATE);
            let text = std::fs::read_to_string(Path::new(path).with_extension("rttm"))?;
            let said = rttm::parse(&text)?.into_iter();
            reference.extend(said.map(|s| (s.start_s + offset, s.duration_s, s.speaker)));
            let mut stream = audio::open(Path::new(path))?;
            while let Some(samples) = stream.next_samples()? {
                for chunk in chunker.push(&[&samples]) {
                    blocks.extend(analysis::analyse(
                        &mut models,
                        &mut filter_bank,
                        chunk.chunk,
                        &chunk.channels,
                    )?);
                }
            }
            eprintln!("{path}: {:.2} h", chunker.samples() as f64 / f64::from(SAMPLE_RATE) / 3600.0);
        }
        if recordings.is_empty() {
            return Err("no recording was named".into());
        }
    }
    let samples = chunker.samples();
    for chunk in chunker.finish() {
        blocks.extend(analysis::analyse(&mut models, &mut filter_bank, chunk.chunk, &chunk.channels)?);
    }
    Ok(Heard { blocks, samples, reference })
}

/// The diarization, and the seconds that the decision over the whole took.
fn diarize(heard: &Heard, bounds: Bounds) -> (Diarization, f64) {
    let mut diarizer = Diarizer::within(Settings::default(), bounds);
    for block in &heard.blocks {
        diarizer.push(block.clone()).unwrap_or_else(|error| panic!("{error}"));
    }
    let started = Instant::now();
    let found = diarizer.finish();
    (found, started.elapsed().as_secs_f64())
}

fn report(most: &str, group: &str, heard: &Heard, found: &Diarization, one_level: &Diarization, took: f64) {
    let reference: Vec<Segment> = heard
        .reference
        .iter()
        .map(|(start_s, duration_s, speaker)| Segment {
            file: "x".into(),
            start_s: *start_s,
            duration_s: *duration_s,
            speaker: speaker.clone(),
        })
        .collect();
    let score = |reference: &[Segment]| -> Score {
        scoring::score(reference, &found.segments("x"), &Options { collar_s: 0.0, skip_overlap: false })
    };
    let (truth, agreement) = (score(&reference), score(&one_level.segments("x")));
    println!(
        "| {most} | {group} | {:.2} % | {:.2} % | {} of {} | {took:.2} | {:.3} % |",
        100.0 * truth.der(),
        100.0 * truth.confusion(),
        found.speakers.len(),
        truth.speakers_reference,
        100.0 * agreement.der(),
    );
}
