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
    problems: Vec<Trouble>,
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
struct Trouble {
    serious: bool,
    detail: String,
    since: Option<String>,
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
    paused_since: Option<String>,
    paused_by: Option<String>,
}

#[derive(Deserialize)]
struct Worker {
    id: String,
    host: String,
    process: Option<u32>,
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
    eta_unknown: Option<String>,
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
    for problem in &overview.problems {
        let kind = if problem.serious { "PROBLEM" } else { "warning" };
        let since = problem.since.as_ref().map(|since| format!(" (since {since})")).unwrap_or_default();
        println!("{kind}: {}{since}", problem.detail);
    }
    if overview.problems.is_empty() {
        println!("no problems");
    }
    let Overview { backlog, throughput, .. } = overview;
    println!(
        "backlog: {} of audio; oldest wait: {}; speed: {} × real time over the last two minutes",
        report::clock(backlog.audio_seconds),
        if backlog.oldest_seconds > 0.0 { report::clock(backlog.oldest_seconds) } else { "none".to_owned() },
        tenths(throughput.audio_seconds_per_second)
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
        let matches = if matches == 1 { "1 match".to_owned() } else { format!("{matches} matches") };
        println!("confidence of {matches}: {}", steps.join(", "));
    }
    for failure in &overview.failures {
        println!("failed {}: {} '{}': {}", failure.failed_at, failure.id, failure.title, failure.failure);
    }
    match overview.dead_letters {
        0 => println!("no dead letters"),
        letters => {
            println!("{}: `throughline dead-letters list` shows them", report::count(letters, "dead letter"))
        }
    }
}

/// With one decimal place, and no minus before a zero.
fn tenths(number: f64) -> String {
    // Adding zero takes the sign from minus zero.
    format!("{:.1}", (number * 10.0).round() / 10.0 + 0.0)
}

fn count(number: Option<u32>) -> String {
    number.map_or_else(|| "RabbitMQ cannot be reached".to_owned(), |number| number.to_string())
}

fn tail(id: &str) -> &str {
    id.get(id.len().saturating_sub(4)..).unwrap_or(id)
}

fn queues(queues: &[Queue]) {
    let mut table = report::table(&["queue", "messages", "consumers", "state"], 1..3);
    for queue in queues {
        let by = queue.paused_by.as_deref().filter(|by| !by.is_empty()).map(|by| format!(" by {by}"));
        let since = queue.paused_since.as_ref().map(|since| format!(" since {since}"));
        let state = match queue.paused {
            true => format!("paused{}{}", by.unwrap_or_default(), since.unwrap_or_default()),
            false => "running".to_owned(),
        };
        table.add_row([queue.name.clone(), count(queue.messages), count(queue.consumers), state]);
    }
    println!("{table}");
}

fn workers(workers: &[Worker]) {
    if workers.is_empty() {
        println!("no workers");
        return;
    }
    let header = [
        "worker on",
        "process",
        "models",
        "device",
        "threads",
        "speed",
        "current chunk",
        "time per stage (s per hour of audio)",
    ];
    let mut table = report::table(&header, 4..6);
    for worker in workers {
        let busy = match &worker.busy {
            _ if !worker.alive => "unresponsive".to_owned(),
            Some(busy) => format!("{} chunk {}", busy.recording, busy.chunk),
            None => String::new(),
        };
        let stage = |(stage, seconds): (&String, &f64)| format!("{stage} {:.1}", seconds * 3600.0);
        table.add_row([
            worker.host.clone(),
            // One of an earlier release tells only its id, whose end is its own.
            worker.process.map_or_else(|| format!("id {}", tail(&worker.id)), |process| process.to_string()),
            worker.model_version.clone(),
            worker.device.clone(),
            worker.threads.to_string(),
            tenths(worker.audio_seconds_per_second),
            busy,
            worker.stages.iter().map(stage).collect::<Vec<_>>().join(", "),
        ]);
    }
    println!("{table}");
}

fn recordings(recordings: &[InWork]) {
    if recordings.is_empty() {
        println!("no recordings in progress");
        return;
    }
    let mut table =
        report::table(&["recording", "title", "state", "chunks", "held for ordering", "done in"], 3..5);
    for recording in recordings {
        let total = recording.chunks.total.map_or_else(|| "?".to_owned(), |total| total.to_string());
        table.add_row([
            recording.id.clone(),
            recording.title.clone(),
            recording.state.clone(),
            format!("{} of {total}", recording.chunks.done),
            recording.waiting_for_order.to_string(),
            match recording.eta_seconds {
                Some(seconds) => report::clock(seconds),
                None => recording.eta_unknown.clone().unwrap_or_else(|| "not known".to_owned()),
            },
        ]);
    }
    println!("{table}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_has_no_minus_however_it_came_about() {
        assert_eq!([-0.0, -0.04, 0.0, 0.05, 12.34].map(tenths), ["0.0", "0.0", "0.0", "0.1", "12.3"]);
    }
}
