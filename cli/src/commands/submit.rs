//! `throughline submit FILE…`.

use crate::api::{Api, Recording, Server};
use crate::batch::inputs::{self, Readable, is_stdin};
use crate::batch::outputs::Outputs;
use crate::commands::{status, submit_many};
use crate::options::RecordingOptions;
use crate::{output, report};
use anyhow::{Context, bail};
use diarization::blocks::DEFAULT_CHUNK_BLOCKS;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::multipart::{Form, Part};
use std::path::{Path, PathBuf};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(500);
/// Polls in a row without an answer before the command gives up: two minutes.
const UNANSWERED_POLLS: u32 = 240;
/// Polls from one line of progress to the next where there is no terminal.
const POLLS_PER_LINE: u32 = 10;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Audio or video files, and folders of them; - for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Of one file: title of the recording [default: the file's name].
    #[arg(long)]
    title: Option<String>,
    /// Wait until the recording is completed and print the turns. Implied by --out-dir, which writes them.
    #[arg(long)]
    pub(super) wait: bool,
    #[command(flatten)]
    pub(super) outputs: Outputs,
    /// Files that are uploaded and waited for at once.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(super) jobs: usize,
    /// Of one file, with --wait: write the turns as RTTM; `-` is standard output.
    #[arg(long, value_name = "OUT", requires = "wait", conflicts_with = "out_dir")]
    rttm: Option<PathBuf>,
    /// Complete the recording even if parts of it cannot be analysed, with gaps there.
    #[arg(long)]
    allow_gaps: bool,
    /// How soon it is analysed, beside others: interactive has eight turns where bulk has one.
    #[arg(long, value_name = "PRIORITY", default_value = "interactive", value_parser = ["interactive", "bulk"])]
    priority: String,
    #[command(flatten)]
    recording: RecordingOptions,
    #[command(flatten)]
    pub(super) server: Server,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    // Impossible options and outputs are refused here, before a long upload.
    args.recording.settings()?;
    match &args.files[..] {
        [file] if args.outputs.out_dir.is_none() && !file.is_dir() => one(args, file),
        _ => {
            if args.title.is_some() || args.rttm.is_some() {
                bail!("--title and --rttm are of one file; results of several go to --out-dir");
            }
            submit_many::run(args, &inputs::find(&args.files)?)
        }
    }
}

/// Uploads `path` under `name`, with the options; returns the recording's id.
pub async fn upload(args: &Args, api: &Api, path: &Path, name: &str) -> anyhow::Result<String> {
    let told = |why: &str| eprintln!("{why}; trying again");
    api.submit(async || form(args, path, name).await, told).await
}

/// Sends one file, and prints what was found if that is waited for.
fn one(args: &Args, file: &Path) -> anyhow::Result<()> {
    output::prove(args.rttm.as_deref())?;
    let to_standard = args.rttm.as_deref().is_some_and(output::is_standard);
    let readable = Readable::of(file)?;
    let named = if is_stdin(file) { None } else { file.file_name() };
    let name = named.map_or_else(|| "stdin".into(), |name| name.to_string_lossy().into_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Api::new(&args.server);
        let id = upload(args, &api, readable.path(), &name).await?;
        // Beside a result on standard output stands nothing else.
        if to_standard {
            eprintln!("recording {id}");
        } else {
            println!("recording {id}");
        }
        if !args.wait {
            return Ok(());
        }
        let bar = ProgressBar::new(0);
        let ended = wait(&api, &id, &bar, true).await;
        bar.finish_and_clear();
        let recording = ended?;
        if to_standard {
            eprintln!("{}", status::text(&recording));
        } else {
            status::print(&recording);
        }
        if !recording.is_completed() {
            bail!("the recording is {}, not completed", status::words(&recording.state));
        }
        if let Some(path) = &args.rttm {
            let written = output::write(path, &api.rttm(&id).await?);
            if to_standard {
                return written;
            }
            report::print(&api.turns(&id).await?, &recording.speakers);
            return written;
        }
        report::print(&api.turns(&id).await?, &recording.speakers);
        Ok(())
    })
}

/// The upload: the options first, then the file as a stream.
async fn form(args: &Args, path: &Path, name: &str) -> anyhow::Result<Form> {
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
    if !options.tracks.is_default() {
        form = form.text("tracks", options.tracks.to_string());
    }
    if args.allow_gaps {
        form = form.text("allow_gaps", "true");
    }
    if let Some(title) = &args.title {
        form = form.text("title", title.clone());
    }
    Ok(form.part("file", file_part(path, name).await?))
}

async fn file_part(path: &Path, name: &str) -> anyhow::Result<Part> {
    let file =
        tokio::fs::File::open(path).await.with_context(|| format!("cannot open {}", path.display()))?;
    let length = file.metadata().await?.len();
    let stream = tokio_util::io::ReaderStream::with_capacity(file, 1 << 16);
    Ok(Part::stream_with_length(reqwest::Body::wrap_stream(stream), length).file_name(name.to_owned()))
}

/// Polls until the recording has ended one way or the other, and moves `bar` meanwhile. Where there is no terminal, lines are printed instead, if
/// `lines` are wanted.
pub async fn wait(api: &Api, id: &str, bar: &ProgressBar, lines: bool) -> anyhow::Result<Recording> {
    let style = ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {pos}/{len} chunks, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
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
            Err(error) => return Err(error.context(format!("recording {id} may still be processing"))),
        };
        unanswered = 0;
        if recording.has_ended() {
            return Ok(recording);
        }
        bar.set_length(recording.chunks.total.unwrap_or(recording.chunks.done + 1));
        bar.set_position(recording.chunks.done);
        bar.set_message(recording.state.clone());
        if lines && bar.is_hidden() && poll % POLLS_PER_LINE == 0 {
            let total = recording.chunks.total.map_or("?".into(), |n| n.to_string());
            eprintln!("{}: {} of {total} chunks", recording.state, recording.chunks.done);
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("the recording never ended")
}
