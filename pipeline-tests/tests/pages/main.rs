//! The pages, driven by a real browser over real services: these start the services and the recordings, the scripts in
//! `browser-tests/` look, click and type. Started by deploy/test.

mod long;
mod operations;
mod people;
mod vendored;

use pipeline_tests::{Stack, oracle};
use service_kit::testing::tool;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// Longest time for one script.
const PATIENCE: Duration = Duration::from_secs(600);

/// The folder of the scripts.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../browser-tests")
        .canonicalize()
        .expect("the scripts are there")
}

/// Runs the tests of a script against `stack`, with `more` in its environment; panics unless all of them pass.
async fn passes(stack: &Stack, script: &str, more: &[(&str, String)]) {
    let samples = oracle::sample("interview_3min.opus");
    let ran = Command::new(tool("node"))
        .args(["--test", "--test-reporter=spec", script])
        .current_dir(scripts())
        .env("THROUGHLINE_SERVER", stack.address())
        .env("THROUGHLINE_SAMPLES", samples.parent().expect("a folder"))
        .env("THROUGHLINE_CHROMIUM", tool("chromium"))
        .envs(more.iter().map(|(name, value)| (name, value)))
        .kill_on_drop(true)
        .output();
    let ran = tokio::time::timeout(PATIENCE, ran).await.expect("the script ends").expect("node starts");
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    println!("{told}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && told.contains("pass "), "{script} failed");
}
