//! `throughline dead-letters`: what failed for good.

use crate::api::{Api, DeadLetter, Server};
use crate::report;
use anyhow::bail;
use clap::Subcommand;

/// Most letters in one call.
const LARGEST: usize = 500;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: Server,
}

#[derive(Subcommand)]
enum Action {
    /// List dead letters, newest first.
    List {
        /// Only those of this recording.
        #[arg(long, value_name = "ID")]
        recording: Option<String>,
    },
    /// Show one: what it was, why it failed, and every attempt.
    Show {
        /// Number of the dead letter.
        letter: i64,
    },
    /// Send the jobs to their queues again and resume their recordings.
    Replay(Which),
    /// Delete dead letters; their recordings stay as they are.
    Drop(Which),
}

#[derive(clap::Args)]
struct Which {
    /// Numbers of the dead letters.
    #[arg(required_unless_present_any = ["recording", "all"])]
    letters: Vec<i64>,
    /// All dead letters.
    #[arg(long, conflicts_with_all = ["letters", "recording"])]
    all: bool,
    /// All of this recording.
    #[arg(long, value_name = "ID", conflicts_with = "letters")]
    recording: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Api::new(&args.server);
        match &args.action {
            Action::List { recording } => {
                print(&api.dead_letters(recording.as_deref()).await?);
                Ok(())
            }
            Action::Show { letter } => {
                show(&api.dead_letter(*letter).await?);
                Ok(())
            }
            Action::Replay(which) => {
                let mut refused = 0;
                for letters in which.numbers(&api).await?.chunks(LARGEST) {
                    let answer = api.replay_many(letters).await?;
                    for it in &answer.replayed {
                        println!("{}: replayed, recording {}", it.letter, it.recording);
                    }
                    for it in &answer.refused {
                        eprintln!("{}: {}", it.letter, it.detail);
                    }
                    refused += answer.refused.len();
                }
                match refused {
                    0 => Ok(()),
                    refused => {
                        bail!("{} could not be replayed", report::count(refused as u64, "dead letter"))
                    }
                }
            }
            Action::Drop(which) => {
                for letter in which.numbers(&api).await? {
                    api.drop_letter(letter).await?;
                    println!("{letter}: dropped");
                }
                Ok(())
            }
        }
    })
}

impl Which {
    async fn numbers(&self, api: &Api) -> anyhow::Result<Vec<i64>> {
        if !self.all && self.recording.is_none() {
            return Ok(self.letters.clone());
        }
        let recording = self.recording.as_deref();
        // Oldest first, as they failed.
        let letters: Vec<i64> =
            api.dead_letters(recording).await?.iter().rev().map(|letter| letter.id).collect();
        match recording {
            Some(recording) if letters.is_empty() => bail!("the recording {recording} has no dead letters"),
            _ => Ok(letters),
        }
    }
}

fn print(letters: &[DeadLetter]) {
    if letters.is_empty() {
        println!("no dead letters");
        return;
    }
    let header = ["letter", "failed", "recording", "chunk", "message", "attempts", "what failed"];
    let mut table = report::table(&header, 0..0);
    for letter in letters {
        table.add_row([
            letter.id.to_string(),
            letter.died_at.clone(),
            letter.recording.clone().unwrap_or_default(),
            letter.chunk.map_or(String::new(), |chunk| chunk.to_string()),
            letter.message.clone(),
            letter.attempts.len().to_string(),
            letter.failure.clone(),
        ]);
    }
    println!("{table}");
}

fn show(letter: &DeadLetter) {
    println!("{}: {} on {}", letter.id, letter.message, letter.queue);
    println!("  failed:    {}, {}", letter.died_at, letter.reason);
    if let Some(recording) = &letter.recording {
        let chunk = letter.chunk.map_or(String::new(), |chunk| format!(", chunk {chunk}"));
        println!("  recording: {recording}, run {}{chunk}", letter.run.unwrap_or_default());
    }
    println!("  trace:     {}", letter.trace_id.as_deref().unwrap_or("none"));
    for (number, attempt) in letter.attempts.iter().enumerate() {
        let by = if attempt.by.is_empty() { "unknown" } else { &attempt.by };
        println!("  attempt {}: {} by {by}: {}", number + 1, attempt.at, attempt.reason);
    }
}
