//! Printing: all that the command says goes through here, in place of the standard library's `println!` and `eprintln!`, which panic when
//! nobody reads any more.
//!
//! Whoever reads may stop at any line (`throughline … | head`): then the command ends, quietly and as a success. An output that is full or
//! broken in another way is told, and is a failure. What is said to standard error is nobody's to wait for: where it cannot be written it is
//! left out.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process;

/// Prints a line to standard output.
macro_rules! println {
    ($($words:tt)+) => { $crate::printing::line(format_args!($($words)+)) };
}

/// Prints a line to standard error.
macro_rules! eprintln {
    ($($words:tt)+) => { $crate::printing::remark(format_args!($($words)+)) };
}

/// Prints a line to standard output.
pub fn line(words: Arguments<'_>) {
    settle(writeln!(io::stdout().lock(), "{words}"));
}

/// Prints `text` as it is to standard output.
pub fn text(text: &str) {
    let mut output = io::stdout().lock();
    settle(output.write_all(text.as_bytes()).and_then(|()| output.flush()));
}

/// Prints a line to standard error.
pub fn remark(words: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{words}");
}

fn settle(outcome: io::Result<()>) {
    match outcome {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => {
            remark(format_args!("throughline: cannot write to standard output: {error}"));
            process::exit(1);
        }
    }
}
