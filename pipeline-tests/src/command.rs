//! Command: the `throughline` command, as an operator runs it against a stack.

use crate::stack::Stack;
use service_kit::testing::program;
use std::process::Output;
use tokio::process::Command;

/// Runs `throughline` with `arguments`; its output, and whether it succeeded.
pub async fn throughline(stack: &Stack, arguments: &[&str]) -> (String, bool) {
    let ran = Command::new(program("throughline"))
        .args(arguments)
        .env("THROUGHLINE_SERVER", stack.address())
        .output()
        .await;
    let Output { status, stdout, stderr } = ran.expect("the command starts");
    (String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned(), status.success())
}

/// The same for one that must succeed.
pub async fn succeeds(stack: &Stack, arguments: &[&str]) -> String {
    let (output, succeeded) = throughline(stack, arguments).await;
    assert!(succeeded, "{arguments:?}: {output}");
    output
}
