//! `throughline operations`: everything at a glance.

use crate::api::{Api, Server};
use crate::report;
use anyhow::Context;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Print what the service says, as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Overview {
    backlog: Backlog,
    throughput: Throughput,
    queues: Vec<Queue>,
    workers: Vec<Worker>,
    recordings: Vec<InWork>,
    confidence: Vec<Step>,
    failures: Vec<Failure>,
    dead_letters: u64,
}

#[derive(Deserialize)]
struct Backlog {
    audio_seconds: f64,
    oldest_seconds: f64,
}

#[derive(Deserialize)]
struct Throughput {
    audio_seconds_per_second: f64,
}

#[derive(Deserialize)]
struct Queue {
    name: String,
    messages: Option<u32>,
    consumers: Option<u32>,
    paused: bool,
}

#[derive(Deserialize)]
struct Worker {
    host: String,
    model_version: String,
    device: String,
    threads: u32,
    alive: bool,
    busy: Option<Busy>,
    audio_seconds_per_second: f64,
    stages: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Busy {
    recording: String,
    chunk: u32,
}

#[derive(Deserialize)]
struct InWork {
    id: String,
    title: String,
    state: String,
    chunks: Chunks,
    waiting_for_order: u64,
    eta_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct Chunks {
    done: u64,
    total: Option<u64>,
}

#[derive(Deserialize)]
struct Step {
    from: f64,
    matches: u64,
}

#[derive(Deserialize)]
struct Failure {
    id: String,
    title: String,
    failure: String,
    failed_at: String,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async { Api::new(&args.server).operations().await })?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
        return Ok(());
    }
    let overview: Overview = serde_json::from_value(answer).context(
        "the service's answer cannot be read; are the service and this program of the same version?",
    )?;
    print(&overview);
    Ok(())
}

fn print(overview: &Overview) {
    let Overview { backlog, throughput, .. } = overview;
    println!(
        "backlog: {} of audio, the oldest waits for {}; {:.1} s of audio analysed per second over the last two minutes",
        report::clock(backlog.audio_seconds),
        report::clock(backlog.oldest_seconds),
        throughput.audio_seconds_per_second
    );
    queues(&overview.queues);
    workers(&overview.workers);
    recordings(&overview.recordings);
    let matches: u64 = overview.confidence.iter().map(|step| step.matches).sum();
    if matches > 0 {
        let step = |step: &Step| {
            format!("{:.0} %+: {:.0} %", step.from * 100.0, step.matches as f64 / matches as f64 * 100.0)
        };
        let steps: Vec<String> =
            overview.confidence.iter().filter(|step| step.matches > 0).map(step).collect();
        println!("how sure {matches} matches are: {}", steps.join(", "));
    }
    for failure in &overview.failures {
        println!("failed {}: {} '{}': {}", failure.failed_at, failure.id, failure.title, failure.failure);
    }
    match overview.dead_letters {
        0 => println!("no dead letters"),
        letters => println!("{letters} dead letter(s): `throughline dead-letters list` shows them"),
    }
}

fn count(number: Option<u32>) -> String {
    number.map_or_else(|| "?".to_owned(), |number| number.to_string())
}

fn queues(queues: &[Queue]) {
    let mut table = report::table(&["queue", "waiting", "consumers", "state"], 1..3);
    for queue in queues {
        let state = if queue.paused { "paused" } else { "" };
        table.add_row([&queue.name, &count(queue.messages), &count(queue.consumers), state]);
    }
    println!("{table}");
}

fn workers(workers: &[Worker]) {
    if workers.is_empty() {
        println!("no workers");
        return;
    }
    let header =
        ["worker on", "models", "device", "threads", "audio s/s", "busy with", "seconds per hour of audio"];
    let mut table = report::table(&header, 3..5);
    for worker in workers {
        let busy = match &worker.busy {
            _ if !worker.alive => "no sign of life".to_owned(),
            Some(busy) => format!("{} chunk {}", busy.recording, busy.chunk),
            None => String::new(),
        };
        let stage = |(stage, seconds): (&String, &f64)| format!("{stage} {:.1}", seconds * 3600.0);
        table.add_row([
            worker.host.clone(),
            worker.model_version.clone(),
            worker.device.clone(),
            worker.threads.to_string(),
            format!("{:.1}", worker.audio_seconds_per_second),
            busy,
            worker.stages.iter().map(stage).collect::<Vec<_>>().join(", "),
        ]);
    }
    println!("{table}");
}

fn recordings(recordings: &[InWork]) {
    if recordings.is_empty() {
        println!("no recording in work");
        return;
    }
    let mut table =
        report::table(&["recording", "title", "state", "chunks", "waiting for order", "done in"], 3..6);
    for recording in recordings {
        let total = recording.chunks.total.map_or_else(|| "?".to_owned(), |total| total.to_string());
        table.add_row([
            recording.id.clone(),
            recording.title.clone(),
            recording.state.clone(),
            format!("{} of {total}", recording.chunks.done),
            recording.waiting_for_order.to_string(),
            recording.eta_seconds.map_or_else(|| "?".to_owned(), report::clock),
        ]);
    }
    println!("{table}");
}
