//! Memory: the matcher needs no more for ten hours than for three, and little more than for one.

use crate::bench::{Bench, analysed, interview};
use crate::scene::Scene;
use matcher::inbox;
use service_kit::broker::Broker;
use service_kit::messages::{self, Message, RecordingDecoded};
use service_kit::publisher::Publisher;
use service_kit::topology;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use uuid::Uuid;

/// Memory that a longer recording may need beyond a shorter one: bytes per piece, turns, matches, and where pages happen to lie. Its
/// analyses would be more than that.
const SLACK_KB: u64 = 13_000;
/// The distances that are clustered at once, of which an hour has few.
const DISTANCES_KB: u64 = 34_000;

/// A matcher in a process of its own, killed when dropped.
struct Matcher(Child);

impl Matcher {
    /// Starts one.
    fn start(bench: &Bench) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_throughline-matcher"))
            .args(["--database-url", &bench.corner.database_url, "--amqp-url", &bench.corner.amqp_url])
            .args(["--admin-listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the matcher starts");
        Self(child)
    }

    /// The most memory that it ever had, in kilobytes.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Matcher {
    fn drop(&mut self) {
        self.0.kill().expect("it is ours to kill");
        self.0.wait().expect("it ends");
    }
}

/// Has a matcher match and finalise a recording of `hours` hours of dense speech whose analyses are all there; returns its peak.
async fn peak_for(bench: &Bench, hours: usize) -> u64 {
    let scene = Scene::of_minutes(hours * 60, 256);
    let recording = bench.recording(&scene, &interview()).await;
    for chunk in 0..scene.chunk_count() {
        inbox::keep(&bench.database, &analysed(recording, &scene, chunk)).await.expect("keeps");
    }
    bench.decoded(recording, &scene).await;
    tell(bench, recording).await;
    let matcher = Matcher::start(bench);
    completed(bench, recording).await;
    let peak = matcher.peak();
    drop(matcher);
    println!("{hours} h: {peak} kB");
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    peak
}

/// Puts the message on its queue that the recording is decoded.
async fn tell(bench: &Bench, recording: Uuid) {
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let body = messages::encode(&RecordingDecoded { recording, run: 1 }).expect("encodes");
    Publisher::new(broker.clone())
        .publish_raw(topology::MATCH, RecordingDecoded::TYPE, &body, &Default::default())
        .await
        .expect("publishes");
    broker.close().await;
}

async fn completed(bench: &Bench, recording: Uuid) {
    let waiting = async {
        while bench.state(recording).await != "completed" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(240), waiting).await.expect("it is completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_hours_need_no_more_memory_than_three_and_give_what_one_process_gives() {
    let bench = Bench::open().await;
    let one = peak_for(&bench, 1).await;
    let three = peak_for(&bench, 3).await;
    let ten = peak_for(&bench, 10).await;
    assert!(ten <= three + SLACK_KB, "{ten} kB for ten hours, {three} kB for three");
    assert!(ten <= one * 6 / 5 + DISTANCES_KB + SLACK_KB, "{ten} kB for ten hours, {one} kB for one");
    bench.close().await;
}
