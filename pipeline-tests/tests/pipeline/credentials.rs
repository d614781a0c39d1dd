//! Credentials: a worker cannot reach the database, since it is never told where that is; no password is printed; and what is stored is
//! its owner's alone.

use pipeline_tests::Stack;
use service_kit::testing::program;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_works_without_any_database_setting() {
    let mut stack = Stack::start(1, 1, 1).await;
    let file = |process: u32, name: &str| {
        let bytes = std::fs::read(format!("/proc/{process}/{name}")).expect("the process is there");
        String::from_utf8_lossy(&bytes).to_lowercase()
    };
    let worker = stack.workers[0].id();
    for what in ["environ", "cmdline"] {
        let known = file(worker, what);
        assert!(!known.contains("postgres") && !known.contains("database"), "{what}: {known}");
    }
    let matcher = file(stack.matchers[0].id(), "environ");
    assert!(matcher.contains("postgres://"), "this test would not see a database setting: {matcher}");

    let speech =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../diarization/tests/data/formats/flac_16bit_16k.flac");
    let id = stack.submit(speech.as_ref(), &[]).await;
    stack.completed(id).await;
    stack.stop().await;
}

#[test]
fn no_password_is_printed_with_the_help() {
    let secrets = [
        ("THROUGHLINE_DATABASE_URL", "postgres://ann:hunter2@db/t"),
        ("THROUGHLINE_AMQP_URL", "amqp://ann:hunter2@mq/t"),
        ("THROUGHLINE_API_TOKEN", "hunter2"),
        ("THROUGHLINE_API_TOKEN_SHA256", "hunter2"),
        ("THROUGHLINE_OBJECT_STORE", "s3://ann:hunter2@bucket/t"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://ann:hunter2@collector"),
    ];
    let commands = [
        ("throughline-ingest", vec![]),
        ("throughline-worker", vec![]),
        ("throughline-matcher", vec![]),
        ("throughline", vec!["migrate"]),
        ("throughline", vec!["submit"]),
        ("throughline", vec!["status"]),
        ("throughline", vec!["operations"]),
    ];
    for (name, arguments) in commands {
        for help in ["--help", "-h"] {
            let ran = Command::new(program(name)).args(&arguments).arg(help).envs(secrets).output();
            let ran = ran.expect("starts");
            let printed = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
            assert!(ran.status.success() && printed.contains("Usage"), "{name}: {printed}");
            assert!(!printed.contains("hunter2"), "{name} {arguments:?}: {printed}");
        }
    }
}

/// Everything in `folder`, with what others than its owner may do with it.
fn open_to_others(folder: &Path, found: &mut Vec<(String, u32)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if let Ok(meta) = entry.metadata() {
            found.push((path.display().to_string(), meta.permissions().mode() & 0o077));
        }
        if path.is_dir() {
            open_to_others(&path, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_can_be_read_by_nobody_else() {
    let mut stack = Stack::start(1, 1, 1).await;
    let speech =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../diarization/tests/data/formats/flac_16bit_16k.flac");
    let id = stack.submit(speech.as_ref(), &[]).await;
    stack.completed(id).await;
    let mut found = Vec::new();
    open_to_others(&stack.store(), &mut found);
    assert!(found.iter().any(|(path, _)| path.ends_with("/upload")), "{found:?}");
    let open: Vec<_> = found.iter().filter(|(_, mode)| *mode != 0).collect();
    assert!(open.is_empty(), "{open:?}");
    stack.stop().await;
}
