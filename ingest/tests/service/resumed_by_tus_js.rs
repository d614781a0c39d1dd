//! Resumed by tus-js: the client that others use, unmodified, through the death of either side.

use crate::stack::Stack;
use serde_json::json;
use service_kit::testing::tool;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command};

const MEGABYTES: usize = 300;
const PATIENCE: Duration = Duration::from_secs(60);

/// A file whose bytes repeat nowhere; returns its digest.
fn write_noise(path: &Path) -> String {
    let (mut file, mut hash) = (BufWriter::new(File::create(path).expect("a file")), Sha256::new());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0; 1_000_000];
    for _ in 0..MEGABYTES {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        hash.update(&block);
        file.write_all(&block).expect("writes");
    }
    file.flush().expect("writes");
    hex::encode(hash.finalize())
}

fn digest(path: &Path) -> String {
    let (mut file, mut hash) = (File::open(path).expect("is there"), Sha256::new());
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).expect("reads") {
            0 => return hex::encode(hash.finalize()),
            read => hash.update(&block[..read]),
        }
    }
}

/// An ingest process of its own, in the corner of `stack`, at a port that stays.
fn start_ingest(stack: &Stack, port: u16) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline-ingest"));
    let arguments = stack.arguments();
    let arguments = arguments.iter().skip(1).filter(|argument| !argument.starts_with("--listen="));
    command.args(arguments).arg(format!("--listen=127.0.0.1:{port}"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().expect("starts")
}

async fn answers(stack: &Stack, port: u16) {
    let started = Instant::now();
    while stack.http.get(format!("http://127.0.0.1:{port}/healthz")).send().await.is_err() {
        assert!(started.elapsed() < PATIENCE, "ingest does not answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Sender {
    endpoint: String,
    file: PathBuf,
    folder: TempDir,
}

impl Sender {
    fn start(&self) -> Child {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../browser-tests/tus-upload.mjs");
        let metadata = json!({ "filename": "noise.wav", "filetype": "audio/wav", "title": "Noise" });
        let mut command = Command::new(tool("node"));
        command.arg(script).args([&self.endpoint]).arg(&self.file);
        command.arg(self.folder.path().join("memory.json")).arg(metadata.to_string());
        command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("node starts")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_megabytes_arrive_whole_though_the_client_and_the_service_die_on_the_way() {
    let stack = Stack::start(&[]).await;
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("noise.wav");
    let expected = write_noise(&file);
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let mut ingest = start_ingest(&stack, port);
    answers(&stack, port).await;
    let sender = Sender { endpoint: format!("http://127.0.0.1:{port}/v1/uploads"), file, folder };

    let received = "SELECT coalesce(max(received), 0)::int8 FROM resumable_uploads";
    let mut client = sender.start();
    stack.count_when(received, |bytes| bytes > 60_000_000).await;
    client.kill().await.expect("is killed");
    let at_first = stack.count(received).await;
    assert!(at_first < 290_000_000, "nothing was interrupted: {at_first}");

    let client = sender.start();
    stack.count_when(received, |bytes| bytes > at_first + 60_000_000).await;
    ingest.kill().await.expect("is killed");
    let at_second = stack.count(received).await;
    assert!(at_second < 300_000_000, "nothing was interrupted: {at_second}");
    let mut ingest = start_ingest(&stack, port);

    let ended = tokio::time::timeout(PATIENCE, client.wait_with_output()).await.expect("ends").expect("ran");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said}");
    // It went on with what there was, after its own death and after the service's.
    assert!(said.starts_with("found 1\nasks HEAD\nasks PATCH\n"), "{said}");
    assert!(said.matches("asks HEAD").count() >= 2 && !said.contains("asks POST"), "{said}");
    let id: String = sqlx::query_scalar("SELECT id::text FROM recordings")
        .fetch_one(&stack.pool)
        .await
        .expect("one recording");
    assert!(
        said.ends_with(&format!("done http://127.0.0.1:{port}/v1/uploads/{id} /v1/recordings/{id}\n")),
        "{said}"
    );
    assert_eq!(digest(&stack.object(&format!("recordings/{id}/upload"))), expected);
    assert_eq!(stack.recording(&id).await["title"], "Noise");
    ingest.kill().await.expect("is killed");
    stack.stop().await;
}
