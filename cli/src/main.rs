//! The `throughline` command.

// First: all others print by its macros.
#[macro_use]
mod printing;

mod api;
mod batch;
mod bench;
mod commands;
mod local;
mod options;
mod output;
mod process;
mod report;
mod retry;
mod synthesis;

use clap::{CommandFactory, Parser, Subcommand};

/// Who spoke when, in recordings of any length.
#[derive(Parser)]
#[command(name = "throughline", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Diarize files on this machine, without any services.
    Diarize(commands::diarize::Args),
    /// Compare a diarization with a reference: DER, JER, speakers.
    Score(commands::score::Args),
    /// Diarize and score every recording in a folder that has a reference RTTM beside it.
    Bench(commands::bench::Args),
    /// Make test recordings with an exact reference, from single speakers or from real conversations.
    BenchData(commands::bench_data::Args),
    /// Upload files to the service.
    Submit(commands::submit::Args),
    /// List the recordings that the service has.
    List(commands::list::Args),
    /// Get the turns of recordings from the service, in any format.
    Export(commands::export::Args),
    /// Correct a result: names, speakers, turns; or undo that.
    Correct(commands::correct::Args),
    /// Delete recordings from the service for good.
    Delete(commands::delete::Args),
    /// Show the state of a recording.
    Status(commands::status::Args),
    /// Cancel a recording.
    Cancel(commands::cancel::Args),
    /// Process a recording again, with other settings if you like.
    Reprocess(commands::reprocess::Args),
    /// List, show, replay or drop jobs that failed for good.
    DeadLetters(commands::dead_letters::Args),
    /// Show what is wrong, the backlog, the speed, workers, queues and failures.
    Operations(commands::operations::Args),
    /// Pause or resume a queue.
    Queues(commands::queues::Args),
    /// Make a random API token and its digest.
    Token(commands::token::Args),
    /// Check the model folder against its manifest.
    Models(commands::models::Args),
    /// Create or update the database schema.
    Migrate(commands::migrate::Args),
    /// Print completions for a shell.
    Completions(commands::completions::Args),
    /// Write manual pages.
    Man(commands::man::Args),
}

fn main() -> std::process::ExitCode {
    let outcome = match Cli::parse().command {
        Command::Diarize(args) => commands::diarize::run(&args),
        Command::Score(args) => commands::score::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::BenchData(args) => commands::bench_data::run(&args),
        Command::Submit(args) => commands::submit::run(&args),
        Command::Status(args) => commands::status::run(&args),
        Command::Cancel(args) => commands::cancel::run(&args),
        Command::Reprocess(args) => commands::reprocess::run(&args),
        Command::DeadLetters(args) => commands::dead_letters::run(&args),
        Command::Operations(args) => commands::operations::run(&args),
        Command::Queues(args) => commands::queues::run(&args),
        Command::Token(args) => commands::token::run(&args),
        Command::Models(args) => commands::models::run(&args),
        Command::Migrate(args) => commands::migrate::run(&args),
        Command::List(args) => commands::list::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Correct(args) => commands::correct::run(&args),
        Command::Delete(args) => commands::delete::run(&args),
        Command::Completions(args) => commands::completions::run(&args, Cli::command()),
        Command::Man(args) => commands::man::run(&args, Cli::command()),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throughline: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
