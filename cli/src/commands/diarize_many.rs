//! `throughline diarize FILE… --out-dir FOLDER`: a batch, with the models loaded once.

use super::diarize::{Args, json};
use crate::batch::inputs::{Input, Readable};
use crate::batch::outputs::{self, Form};
use crate::batch::tally::{Fate, Tally};
use crate::local::{self, Outcome};
use crate::report;
use diarization::diarize::Settings;
use diarization::onnx::Models;
use diarization::{rttm, sharing};
use std::convert::Infallible;
use std::time::Instant;

/// Diarizes `inputs`, several at once if wanted. One that fails holds up no other; an error at the end lists those.
pub fn run(args: &Args, settings: &Settings, inputs: &[Input]) -> anyhow::Result<()> {
    args.outputs.out_dir.as_deref().map_or(Ok(()), outputs::prepare)?;
    let tally = Tally::of(inputs.len(), args.quiet);
    let (there, wanted): (Vec<&Input>, Vec<&Input>) = inputs.iter().partition(|it| args.outputs.skips(it));
    there.iter().for_each(|input| tally.end(&input.shown(), Fate::Skipped));
    let jobs = args.jobs.clamp(1, wanted.len().max(1));
    // Nothing is loaded where nothing is to be done.
    let mut workers = match wanted.len() {
        0 => vec![Vec::new()],
        _ => (0..jobs).map(|_| args.models.load_all()).collect::<anyhow::Result<Vec<_>>>()?,
    };
    let done: Result<Vec<()>, Infallible> = sharing::share(&mut workers, wanted, |models, input| {
        let fate = one(args, settings, models, input, &tally).unwrap_or_else(Fate::Failed);
        tally.end(&input.shown(), fate);
        Ok(())
    });
    let Ok(_) = done;
    tally.finish()
}

/// Diarizes `input` and writes its results.
fn one(
    args: &Args,
    settings: &Settings,
    models: &mut [Models],
    input: &Input,
    tally: &Tally,
) -> anyhow::Result<Fate> {
    let started = Instant::now();
    let bar = tally.bar(&input.shown());
    let progress = |seconds: f64, total: Option<f64>| {
        if let Some(total) = total {
            bar.set_length(total as u64);
        }
        bar.set_position(seconds as u64);
    };
    let readable = Readable::of(&input.path)?;
    let found =
        local::diarize(readable.path(), models, args.recording.chunk_blocks, settings.clone(), &progress);
    bar.finish_and_clear();
    let outcome = found?;
    outcome.warnings.iter().for_each(|warning| tally.warn(&input.shown(), warning));
    let model_version = models.first().map_or("", |models| &models.manifest().model_version);
    for (form, path) in args.outputs.of(input) {
        outputs::write(&path, &written(form, &input.stem(), &outcome, model_version)?)?;
    }
    let took = started.elapsed().as_secs_f64();
    let said = format!(
        "{}, {} in {took:.1} s ({:.0} × real time)",
        report::count(outcome.diarization.speakers.len() as u64, "speaker"),
        report::clock(outcome.seconds()),
        outcome.seconds() / took
    );
    Ok(Fate::Done(said, Some(outcome.seconds())))
}

/// Result of the recording `stem`, in one of the forms.
fn written(form: Form, stem: &str, outcome: &Outcome, model_version: &str) -> anyhow::Result<String> {
    Ok(match form {
        Form::Rttm => rttm::write(&outcome.diarization.segments(stem)),
        Form::Json => json(stem, outcome, model_version)?,
        Form::Export(format) => format.write(&report::sheet(stem, outcome.seconds(), &outcome.diarization)),
    })
}
