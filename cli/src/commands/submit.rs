//! `throughline submit FILE`.

use crate::api::{Api, Recording, Server};
use crate::commands::status;
use crate::options::RecordingOptions;
use crate::report;
use anyhow::{Context, bail};
use diarization::blocks::DEFAULT_CHUNK_BLOCKS;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::multipart::{Form, Part};
use std::path::{Path, PathBuf};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(500);
/// Polls in a row without an answer before the command gives up: two minutes.
const UNANSWERED_POLLS: u32 = 240;
/// How often progress is told where there is no terminal.
const POLLS_PER_LINE: u32 = 10;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Audio or video file.
    file: PathBuf,
    /// Title of the recording [default: the file's name].
    #[arg(long)]
    title: Option<String>,
    /// Wait until the recording is completed, then print the turns.
    #[arg(long)]
    wait: bool,
    /// With --wait: write the turns as RTTM.
    #[arg(long, value_name = "OUT", requires = "wait")]
    rttm: Option<PathBuf>,
    /// Take a result that lacks the parts that cannot be analysed, instead of none.
    #[arg(long)]
    allow_gaps: bool,
    /// How soon it is analysed, beside others: interactive has eight turns where bulk has one.
    #[arg(long, value_name = "PRIORITY", default_value = "interactive", value_parser = ["interactive", "bulk"])]
    priority: String,
    #[command(flatten)]
    recording: RecordingOptions,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    // Impossible options are refused here, before a long upload.
    args.recording.settings()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Api::new(&args.server);
        let told = |why: &str, wait: Duration| eprintln!("{why}; again in {} s", wait.as_secs().max(1));
        let id = api.submit(async || form(args).await, told).await?;
        println!("recording {id}");
        if !args.wait {
            return Ok(());
        }
        let recording = wait(&api, &id).await?;
        status::print(&recording);
        if !recording.is_completed() {
            bail!("the recording was not completed");
        }
        if let Some(path) = &args.rttm {
            let text = api.rttm(&id).await?;
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        report::print(&api.turns(&id).await?, &recording.speakers);
        Ok(())
    })
}

/// The upload: the options first, then the file as a stream.
async fn form(args: &Args) -> anyhow::Result<Form> {
    let options = &args.recording;
    let mut form = Form::new()
        .text("labels", options.labels.to_string())
        .text("threshold", options.threshold.to_string())
        .text("channels", options.channels.to_string())
        .text("priority", args.priority.clone());
    // Unless somebody says otherwise, the server knows best.
    if options.chunk_blocks != DEFAULT_CHUNK_BLOCKS {
        form = form.text("chunk_blocks", options.chunk_blocks.to_string());
    }
    let numbers = [
        ("num_speakers", options.num_speakers),
        ("min_speakers", options.min_speakers),
        ("max_speakers", options.max_speakers),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            form = form.text(name, number.to_string());
        }
    }
    if args.allow_gaps {
        form = form.text("allow_gaps", "true");
    }
    if let Some(title) = &args.title {
        form = form.text("title", title.clone());
    }
    Ok(form.part("file", file_part(&args.file).await?))
}

async fn file_part(path: &Path) -> anyhow::Result<Part> {
    let file =
        tokio::fs::File::open(path).await.with_context(|| format!("cannot open {}", path.display()))?;
    let length = file.metadata().await?.len();
    let name = path.file_name().map_or_else(|| "recording".into(), |n| n.to_string_lossy().into_owned());
    let stream = tokio_util::io::ReaderStream::with_capacity(file, 1 << 16);
    Ok(Part::stream_with_length(reqwest::Body::wrap_stream(stream), length).file_name(name))
}

/// Polls until the recording has ended one way or the other.
async fn wait(api: &Api, id: &str) -> anyhow::Result<Recording> {
    let style = ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {pos}/{len} chunks, {msg}");
    let bar = ProgressBar::new(0)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    let mut unanswered = 0;
    for poll in 0_u32.. {
        let recording = match api.recording(id).await {
            Ok(recording) => recording,
            // The recording goes on without us; a service that restarts is no reason to stop watching.
            Err(error) if unanswered < UNANSWERED_POLLS => {
                bar.set_message(format!("{error:#}"));
                unanswered += 1;
                tokio::time::sleep(POLL).await;
                continue;
            }
            Err(error) => return Err(error.context(format!("recording {id} may still be in work"))),
        };
        unanswered = 0;
        if recording.has_ended() {
            bar.finish_and_clear();
            return Ok(recording);
        }
        bar.set_length(recording.chunks.total.unwrap_or(recording.chunks.done + 1));
        bar.set_position(recording.chunks.done);
        bar.set_message(recording.state.clone());
        if bar.is_hidden() && poll % POLLS_PER_LINE == 0 {
            let total = recording.chunks.total.map_or("?".into(), |n| n.to_string());
            println!("{}: {} of {total} chunks", recording.state, recording.chunks.done);
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("the recording never ended")
}
