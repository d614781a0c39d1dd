//! Operations: what operators see at a glance, and pausing queues.

use crate::stack::{Stack, interview, model_version, problem};
use diarization::analysis::CONFIGURATION;
use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use reqwest::StatusCode;
use serde_json::{Value, json};
use service_kit::control::Announcement;
use service_kit::heartbeat::{Busy, Heartbeat, Work};
use service_kit::messages::{self, ChunkJob, Message};
use service_kit::topology::{self, CONTROL, DEAD, DECODE, HEARTBEATS, MATCH};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);

fn chunks() -> String {
    topology::chunk_queue(&model_version(), CONFIGURATION)
}

async fn overview(stack: &Stack) -> Value {
    let answer = stack.get("/v1/operations").send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.expect("is JSON")
}

/// The overview once `is_so` of it.
async fn overview_when(stack: &Stack, is_so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let seen = overview(stack).await;
        if is_so(&seen) {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "still {seen:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns once `is_so` of the number of consumers of the queue `name`.
pub async fn consumers_become(stack: &Stack, name: &str, is_so: impl Fn(i64) -> bool) {
    overview_when(stack, |seen| queue(seen, name)["consumers"].as_i64().is_some_and(&is_so)).await;
}

fn queue<'a>(overview: &'a Value, name: &str) -> &'a Value {
    let queues = overview["queues"].as_array().expect("a list");
    queues.iter().find(|queue| queue["name"] == name).unwrap_or_else(|| panic!("no {name}: {queues:?}"))
}

async fn set(stack: &Stack, name: &str, verb: &str) -> Value {
    let answer = stack.post(&format!("/v1/queues/{name}/{verb}")).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.expect("is JSON")
}

/// A worker with the models that recordings are pinned to, which does ten seconds of audio per second.
fn worker(busy: Vec<Busy>) -> Heartbeat {
    let work = Work {
        model_version: model_version(),
        configuration: CONFIGURATION.to_owned(),
        device: "cpu".to_owned(),
        threads: 1,
        busy,
        audio_seconds: 600.0,
        audio_seconds_per_second: 5.0,
        speed: Some(10.0),
        stages: BTreeMap::from([("segmentation".to_owned(), 0.06), ("embedding".to_owned(), 0.04)]),
    };
    Heartbeat { work: Some(work), ..Heartbeat::of_this_process("worker", "1.2.3") }
}

async fn beat(channel: &Channel, heartbeat: &Heartbeat) {
    let body = messages::encode(heartbeat).expect("encodes");
    let properties = BasicProperties::default().with_type(Heartbeat::TYPE.into());
    let (exchange, options) = (HEARTBEATS.into(), BasicPublishOptions::default());
    channel.basic_publish(exchange, "".into(), options, &body, properties).await.expect("is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_has_happened_the_overview_shows_the_queues_and_nothing_that_waits() {
    let stack = Stack::start(&[]).await;
    let seen = overview_when(&stack, |seen| seen["services"][0]["service"] == "ingest").await;
    assert_eq!(seen["backlog"], json!({ "audio_seconds": 0.0, "oldest_seconds": 0.0 }));
    assert_eq!(seen["throughput"], json!({ "audio_seconds_per_second": 0.0 }));
    for name in [DECODE, MATCH, DEAD, &chunks()] {
        assert_eq!(queue(&seen, name)["paused"], false);
        assert_eq!(queue(&seen, name)["pausable"], name != DEAD);
    }
    assert_eq!(
        (&seen["workers"], &seen["recordings"], &seen["failures"]),
        (&json!([]), &json!([]), &json!([]))
    );
    let steps = seen["confidence"].as_array().expect("steps");
    assert_eq!((steps.len(), &steps[9]), (10, &json!({ "from": 0.9, "to": 1.0, "matches": 0 })));
    assert_eq!(seen["dead_letters"], 0);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_shown_from_its_first_heartbeat_to_its_last_and_nothing_deleted_with_it() {
    let stack = Stack::start(&[]).await;
    let id: Uuid =
        stack.upload("", interview()).await["id"].as_str().expect("an id").parse().expect("a UUID");
    let channel = stack.channel().await;
    topology::declare_heartbeat_queue(&channel).await.expect("declares");
    let busy = vec![Busy { recording: id, chunk: 0, since: chrono::Utc::now() }];
    let heartbeat = worker(busy);
    beat(&channel, &heartbeat).await;
    let seen = overview_when(&stack, |seen| seen["workers"][0]["busy"].is_object()).await;
    let shown = &seen["workers"][0];
    assert_eq!((&shown["id"], &shown["host"]), (&json!(heartbeat.id), &json!(heartbeat.host)));
    assert_eq!(shown["process"], json!(std::process::id()), "two workers on a machine are told apart");
    assert_eq!(
        (&shown["device"], &shown["threads"], &shown["version"]),
        (&json!("cpu"), &json!(1), &json!("1.2.3"))
    );
    assert_eq!((&shown["busy"]["recording"], &shown["busy"]["chunk"]), (&json!(id), &json!(0)));
    assert_eq!((&shown["alive"], &shown["audio_seconds_per_second"]), (&json!(true), &json!(5.0)));
    assert_eq!(shown["stages"], json!({ "segmentation": 0.06, "embedding": 0.04 }));

    stack.decoded(&id.to_string()).await;
    let deleted =
        stack.http.delete(stack.url(&format!("/v1/recordings/{id}"))).send().await.expect("answers");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    // It has not heard of that yet, and says again what it is busy with.
    beat(&channel, &heartbeat).await;
    beat(&channel, &Heartbeat { version: "after".into(), ..worker(vec![]) }).await;
    overview_when(&stack, |seen| seen["workers"].as_array().is_some_and(|all| all.len() == 2)).await;
    assert_eq!(stack.count("SELECT count(*) FROM worker_chunks").await, 0);

    beat(&channel, &Heartbeat { leaving: true, ..heartbeat }).await;
    overview_when(&stack, |seen| seen["workers"].as_array().is_some_and(|all| all.len() == 1)).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_says_what_waits_and_when_it_will_be_done() {
    let stack = Stack::start(&[]).await;
    let id = stack.upload("?chunk_blocks=1&title=Three+minutes", interview()).await;
    let id = id["id"].as_str().expect("an id");
    let recording = stack.decoded(id).await;
    let seen = overview(&stack).await;
    let waits = seen["backlog"]["audio_seconds"].as_f64().expect("a number");
    // Chunks overlap a little, so that blocks at their borders are whole.
    let duration = recording["duration_seconds"].as_f64().expect("a number");
    assert!(waits >= duration && waits < duration * 1.25, "{waits} s wait of {duration} s");
    assert!(seen["backlog"]["oldest_seconds"].as_f64().is_some_and(|age| age > 0.0 && age < 60.0));
    assert_eq!(queue(&seen, &chunks())["messages"], 4);
    let shown = &seen["recordings"][0];
    assert_eq!((&shown["id"], &shown["title"]), (&json!(id), &json!("Three minutes")));
    assert_eq!((&shown["chunks"], &shown["state"]), (&json!({ "done": 0, "total": 4 }), &recording["state"]));
    assert_eq!(shown["eta_seconds"], Value::Null, "there is no worker: {shown}");
    assert_eq!(shown["eta_unknown"], "no worker is alive for it");
    let problem = &seen["problems"][0];
    assert_eq!((&problem["kind"], &problem["serious"]), (&json!("no-worker"), &json!(true)));
    assert_eq!(problem["detail"], "4 chunks wait and no worker is alive: start throughline-worker");

    let channel = stack.channel().await;
    topology::declare_heartbeat_queue(&channel).await.expect("declares");
    beat(&channel, &worker(vec![])).await;
    let seen = overview_when(&stack, |seen| seen["recordings"][0]["eta_seconds"].is_number()).await;
    let eta = seen["recordings"][0]["eta_seconds"].as_f64().expect("a number");
    assert!((eta - waits / 10.0).abs() < 1e-6, "{eta} s for {waits} s of audio at 10 s per second");
    assert_eq!(seen["recordings"][0]["eta_unknown"], Value::Null);
    // What is analysed and waits for the chunk before it.
    let analysed = "INSERT INTO inbox SELECT id, 2, model_version, configuration, 'x' FROM recordings";
    sqlx::query(analysed).execute(&stack.pool).await.expect("runs");
    let seen = overview(&stack).await;
    assert_eq!(seen["recordings"][0]["waiting_for_order"], 1);
    let throughput = seen["throughput"]["audio_seconds_per_second"].as_f64().expect("a number");
    assert!(
        (throughput - (waits - seen["backlog"]["audio_seconds"].as_f64().expect("a number")) / 120.0).abs()
            < 1e-6
    );
    set(&stack, &chunks(), "pause").await;
    let seen = overview(&stack).await;
    assert_eq!(seen["recordings"][0]["eta_seconds"], Value::Null, "nothing will be done");
    assert_eq!(seen["recordings"][0]["eta_unknown"], "the queue of its chunks is paused");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_how_sure_the_matches_are_can_be_seen() {
    let stack = Stack::start(&[]).await;
    stack.upload("", interview()).await;
    let id = stack.upload("?title=Broken", b"no audio".to_vec()).await;
    let id = id["id"].as_str().expect("an id");
    stack.recording_when(id, |it| it["state"] == "failed").await;
    for sql in [
        "INSERT INTO matches SELECT id, 0, 10, 0, 0, 0.5, 0.95 FROM recordings WHERE state <> 'failed'",
        "INSERT INTO matches SELECT id, 20, 30, 0, 0, 0.5, 1 FROM recordings WHERE state <> 'failed'",
        "INSERT INTO matches SELECT id, 40, 50, 0, 0, 0.5, 0.5 FROM recordings WHERE state <> 'failed'",
        "UPDATE recordings SET state = 'completed', completed_at = now() WHERE state <> 'failed'",
        "INSERT INTO dead_letters (queue, reason, kind, body) VALUES ('q', 'why', 'k', 'b')",
    ] {
        sqlx::query(sql).execute(&stack.pool).await.expect(sql);
    }
    let seen = overview(&stack).await;
    let failure = &seen["failures"][0];
    assert_eq!((&failure["id"], &failure["title"]), (&json!(id), &json!("Broken")));
    assert_eq!(failure["failure"], stack.recording(id).await["failure"]);
    let steps: Vec<i64> = seen["confidence"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["matches"].as_i64())
        .collect();
    assert_eq!(steps, [0, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(seen["dead_letters"], 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_is_not_consumed_until_it_is_resumed() {
    let stack = Stack::start(&[]).await;
    consumers_become(&stack, DECODE, |consumers| consumers == 8).await;
    assert_eq!(set(&stack, DECODE, "pause").await, json!({ "name": DECODE, "paused": true }));
    consumers_become(&stack, DECODE, |consumers| consumers == 0).await;
    let id = stack.upload("", interview()).await;
    let id = id["id"].as_str().expect("an id");
    stack.sent().await;
    let seen = overview_when(&stack, |seen| queue(seen, DECODE)["messages"] == 1).await;
    assert_eq!(
        (&queue(&seen, DECODE)["paused"], &queue(&seen, DECODE)["paused_by"]),
        (&json!(true), &json!(""))
    );
    assert!(queue(&seen, DECODE)["paused_since"].is_string());
    let problem = seen["problems"].as_array().expect("a list").iter().find(|it| it["kind"] == "queue-paused");
    let problem = problem.expect("the pause is told");
    assert!(problem["since"].is_string() && problem["serious"] == true, "{problem}");
    assert_eq!(seen["recordings"][0]["eta_unknown"], "decoding is paused");
    assert!(seen["recordings"][0]["eta_seconds"].is_null() && seen["recordings"][0]["state"] == "queued");
    // Long enough for a consumer that had not heard of it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(queue(&overview(&stack).await, DECODE)["messages"], 1);
    assert_eq!(set(&stack, DECODE, "resume").await, json!({ "name": DECODE, "paused": false }));
    stack.decoded(id).await;
    assert_eq!(stack.drain::<ChunkJob>(&chunks()).await.len(), 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_starts_hears_at_once_which_queues_are_paused() {
    let stack = Stack::start(&[]).await;
    set(&stack, &chunks(), "pause").await;
    let channel = stack.channel().await;
    let own = topology::declare_listener(&channel).await.expect("declares");
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut heard = channel
        .basic_consume(own.as_str().into(), "".into(), options, FieldTable::default())
        .await
        .expect(CONTROL);
    let mut next = async || {
        let delivery = heard.next().await.expect("goes on").expect("a message");
        messages::decode::<Announcement>(Announcement::TYPE, &delivery.data).expect("an announcement")
    };
    // The last one that came by the clock; the next is two seconds away.
    next().await;
    let started = Instant::now();
    topology::declare_heartbeat_queue(&channel).await.expect("declares");
    beat(&channel, &worker(vec![])).await;
    assert_eq!(next().await.paused, BTreeSet::from([chunks()]));
    assert!(started.elapsed() < Duration::from_secs(1), "it took {:?}", started.elapsed());
    set(&stack, &chunks(), "resume").await;
    // One that came by the clock may lie before it.
    while !next().await.paused.is_empty() {}
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_cannot_be_paused_is_refused_with_those_that_can() {
    let stack = Stack::start(&[]).await;
    for name in ["throughline.chunks.none.none", DEAD] {
        let answer = stack.post(&format!("/v1/queues/{name}/pause")).send().await.expect("answers");
        let detail = problem(answer, StatusCode::NOT_FOUND, "unknown-queue").await;
        assert!(detail.contains(name) && detail.contains(MATCH) && detail.contains(&chunks()), "{detail}");
    }
    assert_eq!(stack.count("SELECT count(*) FROM paused_queues").await, 0);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_pauses_a_queue_is_named() {
    let stack = Stack::start(&["--api-token=a-token-that-only-this-test-has-7c21"]).await;
    let signed =
        |request: reqwest::RequestBuilder| request.bearer_auth("a-token-that-only-this-test-has-7c21");
    let answer = signed(stack.post(&format!("/v1/queues/{MATCH}/pause"))).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::OK);
    let seen: Value =
        signed(stack.get("/v1/operations")).send().await.expect("answers").json().await.expect("is JSON");
    assert_eq!(queue(&seen, MATCH)["paused_by"], "default");
    let detail = seen["problems"][0]["detail"].as_str().expect("words");
    assert!(detail.contains("was paused by default"), "{detail}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_hour_is_kept_minute_by_minute_and_forgotten_after_a_day() {
    let stack = Stack::start(&[]).await;
    for sql in [
        "INSERT INTO operations_samples VALUES (now() - interval '30 minutes', 60, 2.5, 3)",
        "INSERT INTO operations_samples VALUES (now() - interval '2 hours', 70, 0, 0)",
        "INSERT INTO operations_samples VALUES (now() - interval '25 hours', 80, 0, 0)",
        "DELETE FROM operations_samples WHERE at = date_trunc('minute', now())",
    ] {
        sqlx::query(sql).execute(&stack.pool).await.expect(sql);
    }
    let started = Instant::now();
    let samples = loop {
        let answer = stack.get("/v1/operations/history").send().await.expect("answers");
        let history: Value = answer.json().await.expect("is JSON");
        let samples = history["samples"].as_array().expect("a list").clone();
        if samples.len() > 1 && stack.count("SELECT count(*) FROM operations_samples WHERE workers = 0 AND backlog_audio_seconds = 80").await == 0 {
            break samples;
        }
        assert!(started.elapsed() < PATIENCE, "still {samples:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let shown = |key: &str| samples[0][key].as_f64();
    assert_eq!(
        (shown("backlog_audio_seconds"), shown("audio_seconds_per_second"), shown("workers")),
        (Some(60.0), Some(2.5), Some(3.0)),
        "what is older than an hour is not shown: {samples:?}"
    );
    let now = &samples[samples.len() - 1];
    assert_eq!((&now["backlog_audio_seconds"], &now["workers"]), (&json!(0.0), &json!(0)));
    assert!(now["at"].as_str().is_some_and(|at| at.ends_with(":00Z")), "{now}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_replayed_together_and_those_that_cannot_be_are_told() {
    let stack = Stack::start(&[]).await;
    let id = stack.upload("", interview()).await["id"].as_str().expect("an id").to_owned();
    stack.decoded(&id).await;
    let history = r#"[{"reason":"the model failed","by":"worker@a/1","at":"2026-01-01T00:00:00Z"}]"#;
    for (recording, attempts) in [(Some(&id), history), (Some(&id), "[]"), (None, "[]")] {
        let sql = "INSERT INTO dead_letters (recording_id, run, chunk, queue, reason, kind, body, attempts)
                   VALUES ($1::uuid, 1, 0, 'throughline.match', 'rejected', 'k', 'b', $2::jsonb)";
        sqlx::query(sql).bind(recording).bind(attempts).execute(&stack.pool).await.expect("inserts");
    }
    let listed: Value =
        stack.get("/v1/dead-letters").send().await.expect("answers").json().await.expect("is JSON");
    let letters = listed["dead_letters"].as_array().expect("a list");
    // What failed at the last attempt; where nobody could say, why it was given up.
    let failures: Vec<&Value> = letters.iter().map(|letter| &letter["failure"]).collect();
    assert_eq!(failures, ["rejected", "rejected", "the model failed"]);
    let numbers: Vec<i64> = letters.iter().rev().filter_map(|letter| letter["id"].as_i64()).collect();
    let replay =
        async |body: Value| stack.post("/v1/dead-letters/replay").json(&body).send().await.expect("answers");
    let unknown = numbers[2] + 1000;
    let answer = replay(json!({ "letters": [numbers[0], numbers[1], numbers[2], unknown] })).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer: Value = answer.json().await.expect("is JSON");
    let sent = |number: i64| json!({ "letter": number, "recording": id });
    assert_eq!(answer["replayed"], json!([sent(numbers[0]), sent(numbers[1])]));
    let refused = answer["refused"].as_array().expect("a list");
    assert_eq!((&refused[0]["letter"], &refused[1]["letter"]), (&json!(numbers[2]), &json!(unknown)));
    assert!(refused[0]["detail"].as_str().is_some_and(|why| why.contains("no recording")), "{refused:?}");
    assert_eq!(stack.count("SELECT count(*) FROM dead_letters").await, 1);
    assert_eq!(replay(json!({ "letters": [numbers[2]] })).await.status(), StatusCode::OK);
    // What could not be replayed is no deed.
    let noted = "SELECT subject FROM audit WHERE action = 'dead-letters.replayed'";
    let noted: Vec<String> = sqlx::query_scalar(noted).fetch_all(&stack.pool).await.expect("was noted");
    assert_eq!(noted, [format!("{}, {}", numbers[0], numbers[1])]);
    for wrong in [json!({ "letters": [] }), json!({}), json!({ "letters": (0..501).collect::<Vec<_>>() })] {
        problem(replay(wrong).await, StatusCode::BAD_REQUEST, "bad-body").await;
    }
    stack.stop().await;
}
