//! `throughline-decoder`: decodes the file that is its standard input and writes the samples to its standard output.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    decoder::run(&decoder::Work::parse())
}
