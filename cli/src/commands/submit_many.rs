//! `throughline submit FILE…`: a batch.

use super::submit::{Args, upload, wait};
use crate::api::Api;
use crate::batch::inputs::{Input, Readable};
use crate::batch::outputs;
use crate::batch::tally::{Fate, Tally};
use crate::report;
use anyhow::bail;
use diarization::sharing;
use std::convert::Infallible;

/// Uploads `inputs`, several at once if wanted; waits for their results where those are wanted. One that fails holds up no other; an error at
/// the end lists those.
pub fn run(args: &Args, inputs: &[Input]) -> anyhow::Result<()> {
    args.outputs.out_dir.as_deref().map_or(Ok(()), outputs::prepare)?;
    let tally = Tally::of(inputs.len(), false);
    let (there, wanted): (Vec<&Input>, Vec<&Input>) = inputs.iter().partition(|it| args.outputs.skips(it));
    there.iter().for_each(|input| tally.end(&input.shown(), Fate::Skipped));
    let mut workers = vec![(); args.jobs.clamp(1, wanted.len().max(1))];
    let done: Result<Vec<()>, Infallible> = sharing::share(&mut workers, wanted, |(), input| {
        let fate = one(args, input, &tally).unwrap_or_else(Fate::Failed);
        tally.end(&input.shown(), fate);
        Ok(())
    });
    let Ok(_) = done;
    tally.finish()
}

fn one(args: &Args, input: &Input, tally: &Tally) -> anyhow::Result<Fate> {
    let readable = Readable::of(&input.path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Api::new(&args.server);
        let id = upload(args, &api, readable.path(), &input.upload_name()).await?;
        if !args.wait && args.outputs.out_dir.is_none() {
            return Ok(Fate::Done(format!("recording {id}"), None));
        }
        let bar = tally.bar(&input.shown());
        let ended = wait(&api, &id, &bar, false).await;
        bar.finish_and_clear();
        let recording = ended?;
        recording.warnings.iter().for_each(|warning| tally.warn(&input.shown(), warning));
        if !recording.is_completed() {
            let why = recording.failure.as_deref().unwrap_or("it was cancelled");
            bail!("recording {id}: {why}");
        }
        for (form, path) in args.outputs.of(input) {
            outputs::write(&path, &api.export(&id, form).await?)?;
        }
        let speakers = report::count(recording.speakers.len() as u64, "speaker");
        let length = recording.duration_seconds.map_or("?".into(), report::clock);
        Ok(Fate::Done(format!("recording {id}: {speakers}, {length}"), recording.duration_seconds))
    })
}
