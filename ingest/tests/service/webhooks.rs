//! Webhooks: what happens to recordings is told, signed, to receivers that may be away for a while, and to nobody that should not be
//! reached.

use crate::stack::{Stack, problem};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use reqwest::StatusCode;
use serde_json::{Value, json};
use service_kit::testing::tool;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

const ALLOWED: &str = "--webhook-allow-private";
const PATIENCE: Duration = Duration::from_secs(60);

/// Request that came to a receiver.
#[derive(Clone, Debug)]
struct Received {
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Received {
    fn header(&self, name: &str) -> String {
        self.headers[name].to_str().expect("text").to_owned()
    }

    fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("is JSON")
    }
}

/// A receiver that keeps what comes and answers as it is told to.
struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    received: Mutex<Vec<Received>>,
    answer: Mutex<StatusCode>,
    /// Nothing is answered while somebody has this.
    hold: tokio::sync::Mutex<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    async fn start() -> Self {
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            answer: Mutex::new(StatusCode::OK),
            hold: tokio::sync::Mutex::default(),
        });
        let take = async |State(shared): State<Arc<Shared>>,
                          uri: axum::http::Uri,
                          headers: HeaderMap,
                          body: Bytes| {
            let body = String::from_utf8(body.to_vec()).expect("text");
            let received = Received { path: uri.path().to_owned(), headers, body };
            shared.received.lock().expect("is whole").push(received);
            drop(shared.hold.lock().await);
            let status = *shared.answer.lock().expect("is whole");
            (status, [("location", "/elsewhere")], "a word".repeat(1000))
        };
        let router = Router::new().fallback(post(take)).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { address, shared, serving }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn answers(&self, status: StatusCode) {
        *self.shared.answer.lock().expect("is whole") = status;
    }

    fn received(&self) -> Vec<Received> {
        self.shared.received.lock().expect("is whole").clone()
    }

    /// Requests that have come, once `is_so` holds of them.
    async fn received_when(&self, is_so: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let started = Instant::now();
        loop {
            let received = self.received();
            if is_so(&received) {
                return received;
            }
            assert!(started.elapsed() < PATIENCE, "only {received:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn add(stack: &Stack, body: Value) -> Value {
    let answer = stack.post("/v1/webhooks").json(&body).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::CREATED);
    answer.json().await.expect("is JSON")
}

async fn deliveries(stack: &Stack, webhook: &Value) -> Vec<Value> {
    let path = format!("/v1/webhooks/{}/deliveries", webhook["id"].as_str().expect("an id"));
    let page: Value = stack.get(&path).send().await.expect("answers").json().await.expect("is JSON");
    page["deliveries"].as_array().expect("a list").clone()
}

/// The only delivery of a webhook, once `is_so` of it.
async fn delivery_when(stack: &Stack, webhook: &Value, is_so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let all = deliveries(stack, webhook).await;
        if let [one] = all.as_slice()
            && is_so(one)
        {
            return one.clone();
        }
        assert!(started.elapsed() < PATIENCE, "still {all:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Makes all waiting events due at once, as if the wait were over.
async fn hurry(stack: &Stack) {
    let due = "UPDATE webhook_deliveries SET due_at = now() WHERE due_at IS NOT NULL";
    sqlx::query(due).execute(&stack.pool).await.expect("updates");
}

/// The messages among `received`, each once.
fn messages(received: &[Received]) -> HashSet<String> {
    received.iter().map(|one| one.header("webhook-id")).collect()
}

/// As a matcher completes a recording.
async fn complete(stack: &Stack, recording: &str) {
    let sql =
        "UPDATE recordings SET state = 'completed', failure = NULL, completed_at = now() WHERE id = $1::uuid";
    sqlx::query(sql).bind(recording).execute(&stack.pool).await.expect("updates");
}

/// Verdict of the reference implementation on each of `received`, signed with the secret of `webhook`.
async fn verified(webhook: &Value, received: &[Received]) -> Vec<String> {
    let list: Vec<Value> = received
        .iter()
        .map(|one| {
            let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
            let headers: serde_json::Map<_, _> =
                names.iter().map(|name| ((*name).to_owned(), one.header(name).into())).collect();
            json!({ "secret": webhook["secret"], "headers": headers, "body": one.body })
        })
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../browser-tests/verify-webhooks.mjs");
    let mut node = Command::new(tool("node"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut stdin = node.stdin.take().expect("is piped");
    stdin.write_all(Value::from(list).to_string().as_bytes()).await.expect("writes");
    drop(stdin);
    let output = node.wait_with_output().await.expect("ran");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_for_a_while_gets_every_event_and_knows_one_that_comes_twice() {
    let stack = Stack::start(&[ALLOWED]).await;
    // A second process that sends as well.
    let (_, other) = stack.another_with(&[ALLOWED]).await;
    let receiver = Receiver::start().await;
    receiver.answers(StatusCode::SERVICE_UNAVAILABLE);
    let webhook = add(&stack, json!({ "url": receiver.url("/hook") })).await;

    // Not audio, so that decoding fails; then completed by hand, run again and completed once more, and deleted.
    let uploaded = stack.upload("?title=A%20talk", b"not audio".to_vec()).await;
    let id = uploaded["id"].as_str().expect("an id");
    stack.recording_when(id, |recording| recording["state"] == "failed").await;
    complete(&stack, id).await;
    let again = stack.post(&format!("/v1/recordings/{id}/reprocess")).send().await.expect("answers");
    assert_eq!(again.status(), StatusCode::ACCEPTED);
    stack.recording_when(id, |recording| recording["state"] == "failed" && recording["run"] == 2).await;
    receiver.received_when(|received| messages(received).len() == 3).await;

    // It works again, and takes each event once more; one that was refused at the last moment waits anew.
    receiver.answers(StatusCode::NO_CONTENT);
    let started = Instant::now();
    while stack.count("SELECT count(*) FROM webhook_deliveries WHERE due_at IS NOT NULL").await > 0 {
        assert!(started.elapsed() < PATIENCE, "still {:?}", deliveries(&stack, &webhook).await);
        hurry(&stack).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let deleted =
        stack.http.delete(stack.url(&format!("/v1/recordings/{id}"))).send().await.expect("answers");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    stack
        .count_when("SELECT count(*) FROM webhook_deliveries WHERE delivered_at IS NOT NULL", |taken| {
            taken == 4
        })
        .await;

    let received = receiver.received();
    let mut events: Vec<(String, Value)> = Vec::new();
    for one in &received {
        let event = (one.header("webhook-id"), one.event());
        assert_eq!(one.path, "/hook");
        assert_eq!(one.header("content-type"), "application/json");
        match events.iter().find(|(message, _)| *message == event.0) {
            Some(before) => assert_eq!(before.1, event.1, "the same message says the same"),
            None => events.push(event),
        }
    }
    let mut told: Vec<(&str, i64)> = events
        .iter()
        .map(|(_, event)| {
            (event["type"].as_str().expect("a type"), event["data"]["run"].as_i64().expect("a run"))
        })
        .collect();
    told.sort_unstable();
    let expected = [
        ("recording.completed", 1),
        ("recording.deleted", 2),
        ("recording.failed", 1),
        ("recording.failed", 2),
    ];
    assert_eq!(told, expected);
    assert!(received.len() >= 7, "each of three came at least twice: {}", received.len());
    let failed = events.iter().find(|(_, event)| event["type"] == "recording.failed").expect("is there");
    assert_eq!((&failed.1["data"]["recording"], &failed.1["data"]["title"]), (&json!(id), &json!("A talk")));
    assert!(failed.1["data"]["failure"].as_str().is_some_and(|why| !why.is_empty()), "{failed:?}");
    let deleted = events.iter().find(|(_, event)| event["type"] == "recording.deleted").expect("is there");
    assert_eq!((&deleted.1["data"]["title"], &deleted.1["data"]["state"]), (&Value::Null, &json!("failed")));
    // Of what is deleted nothing is left here either.
    let kept = "SELECT count(*) FROM webhook_deliveries WHERE title IS NOT NULL OR failure IS NOT NULL";
    assert_eq!(stack.count(kept).await, 0);

    let verdicts = verified(&webhook, &received).await;
    assert!(
        verdicts.len() == received.len() && verdicts.iter().all(|v| v.starts_with("genuine recording.")),
        "{verdicts:?}"
    );
    let mut forged = received[0].clone();
    forged.body = forged.body.replace(id, &uuid::Uuid::now_v7().to_string());
    let verdicts = verified(&webhook, &[forged]).await;
    assert!(verdicts[0].starts_with("refused"), "{verdicts:?}");
    other.stop().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_shown_without_its_secret_and_stops_when_it_is_deleted() {
    let stack = Stack::start(&[ALLOWED]).await;
    let receiver = Receiver::start().await;
    let webhook = add(&stack, json!({ "url": receiver.url("/a"), "events": ["recording.completed"] })).await;
    let path = format!("/v1/webhooks/{}", webhook["id"].as_str().expect("an id"));
    let shown: Value = stack.get(&path).send().await.expect("answers").json().await.expect("is JSON");
    let mut expected = webhook.clone();
    expected.as_object_mut().expect("an object").remove("secret").expect("was shown");
    assert_eq!(shown, expected);
    let all: Value = stack.get("/v1/webhooks").send().await.expect("answers").json().await.expect("is JSON");
    assert_eq!(all, json!({ "webhooks": [expected] }));

    // Only what it asked for, and a ping.
    let uploaded = stack.upload("", b"not audio".to_vec()).await;
    let id = uploaded["id"].as_str().expect("an id");
    stack.recording_when(id, |recording| recording["state"] == "failed").await;
    let ping = stack.post(&format!("{path}/ping")).send().await.expect("answers");
    assert_eq!(ping.status(), StatusCode::ACCEPTED);
    let received = receiver.received_when(|received| !received.is_empty()).await;
    assert_eq!(received[0].event()["type"], "webhook.ping");
    let taken = delivery_when(&stack, &webhook, |delivery| delivery["state"] == "delivered").await;
    assert_eq!(
        (&taken["event"], &taken["last_status"], &taken["tries"]),
        (&json!("webhook.ping"), &json!(200), &json!(1))
    );
    assert_eq!(taken["message"], received[0].header("webhook-id"));

    // What waits for one that is deleted goes with it.
    receiver.answers(StatusCode::INTERNAL_SERVER_ERROR);
    complete(&stack, id).await;
    receiver.received_when(|received| received.len() == 2).await;
    let deleted = stack.http.delete(stack.url(&path)).send().await.expect("answers");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(stack.count("SELECT count(*) FROM webhook_deliveries").await, 0);
    let again = stack.post(&format!("/v1/recordings/{id}/reprocess")).send().await.expect("answers");
    assert_eq!(again.status(), StatusCode::ACCEPTED);
    complete(&stack, id).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(receiver.received().len(), 2);
    problem(stack.get(&path).send().await.expect("answers"), StatusCode::NOT_FOUND, "unknown-webhook").await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused_when_given_and_when_a_name_leads_there() {
    let stack = Stack::start(&[]).await;
    let receiver = Receiver::start().await;
    let https = |host: &str| format!("https://{host}:{}/", receiver.address.port());
    for (url, part) in [
        (https("127.0.0.1"), "127.0.0.1 is a private"),
        (https("0x7f.1"), "127.0.0.1 is a private"),
        (https("[::ffff:127.0.0.1]"), "is a private"),
        (https("169.254.169.254"), "169.254.169.254 is a private"),
        (https("localhost"), "localhost is a private"),
        (receiver.url("/"), "must begin with https://"),
        ("https://ann:s3cret@example.com/".to_owned(), "user name or a password"),
        ("example.com".to_owned(), "no address"),
    ] {
        let answer = stack.post("/v1/webhooks").json(&json!({ "url": url })).send().await.expect("answers");
        let why = problem(answer, StatusCode::BAD_REQUEST, "bad-webhook").await;
        assert!(why.contains(part) && !why.contains("s3cret"), "{why}");
    }
    let new = |events: Value| json!({ "url": "https://example.com", "events": events });
    for (events, kind, part) in
        [(json!(["all"]), "bad-body", "recording.completed"), (json!([]), "bad-webhook", "at least one")]
    {
        let answer = stack.post("/v1/webhooks").json(&new(events)).send().await.expect("answers");
        let why = problem(answer, StatusCode::BAD_REQUEST, kind).await;
        assert!(why.contains(part), "{why}");
    }
    let unknown = json!({ "url": "https://example.com", "secret": "mine" });
    let answer = stack.post("/v1/webhooks").json(&unknown).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(stack.count("SELECT count(*) FROM webhooks").await, 0);

    // A name that led elsewhere when the webhook was added, and an address that was allowed then.
    for (url, part) in [(https("localhost"), "localhost ("), (https("127.0.0.1"), "127.0.0.1 is a private")] {
        sqlx::query("DELETE FROM webhooks").execute(&stack.pool).await.expect("deletes");
        let id = uuid::Uuid::now_v7();
        let add = "INSERT INTO webhooks (id, url, events, secret) VALUES ($1, $2, '{}', 'x')";
        sqlx::query(add).bind(id).bind(url).execute(&stack.pool).await.expect("inserts");
        let ping = stack.post(&format!("/v1/webhooks/{id}/ping")).send().await.expect("answers");
        assert_eq!(ping.status(), StatusCode::ACCEPTED);
        let webhook = json!({ "id": id });
        let refused = delivery_when(&stack, &webhook, |delivery| delivery["last_error"].is_string()).await;
        assert!(refused["last_error"].as_str().expect("text").contains(part), "{refused}");
        assert_eq!((&refused["state"], &refused["last_status"]), (&json!("pending"), &Value::Null));
    }
    assert!(receiver.received().is_empty());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_left_alone_and_one_that_fails_for_a_day_is_given_up() {
    let stack = Stack::start(&[ALLOWED]).await;
    let receiver = Receiver::start().await;
    receiver.answers(StatusCode::GONE);
    let gone = add(&stack, json!({ "url": receiver.url("/gone") })).await;
    let ping = format!("/v1/webhooks/{}/ping", gone["id"].as_str().expect("an id"));
    stack.post(&ping).send().await.expect("answers");
    let given_up = delivery_when(&stack, &gone, |delivery| delivery["state"] == "given_up").await;
    assert_eq!((&given_up["last_status"], &given_up["next_try_at"]), (&json!(410), &Value::Null));
    problem(stack.post(&ping).send().await.expect("answers"), StatusCode::CONFLICT, "webhook-disabled").await;
    let uploaded = stack.upload("", b"not audio".to_vec()).await;
    let id = uploaded["id"].as_str().expect("an id");
    stack.recording_when(id, |recording| recording["state"] == "failed").await;
    assert_eq!(deliveries(&stack, &gone).await.len(), 1);

    // A redirect is no answer: it is not followed.
    receiver.answers(StatusCode::PERMANENT_REDIRECT);
    let failing = add(&stack, json!({ "url": receiver.url("/failing") })).await;
    complete(&stack, id).await;
    let tried = delivery_when(&stack, &failing, |delivery| delivery["last_status"] == 308).await;
    assert_eq!(tried["state"], "pending");
    assert!(receiver.received().iter().all(|one| one.path != "/elsewhere"));
    let old = "UPDATE webhook_deliveries SET created_at = created_at - interval '1 day', due_at = now() WHERE due_at IS NOT NULL";
    sqlx::query(old).execute(&stack.pool).await.expect("updates");
    let given_up = delivery_when(&stack, &failing, |delivery| delivery["state"] == "given_up").await;
    assert_eq!(
        (&given_up["tries"], &given_up["last_error"]),
        (&json!(2), &json!("the receiver answered 308"))
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_deleted_while_a_recording_ends_does_not_keep_it_from_ending() {
    let stack = Stack::start(&[ALLOWED]).await;
    let receiver = Receiver::start().await;
    let [deleted, kept] = [
        add(&stack, json!({ "url": receiver.url("/deleted") })).await,
        add(&stack, json!({ "url": receiver.url("/kept") })).await,
    ];
    let uploaded = stack.upload("", b"not audio".to_vec()).await;
    let id = uploaded["id"].as_str().expect("an id");
    stack.recording_when(id, |recording| recording["state"] == "failed").await;
    let taken = "SELECT count(*) FROM webhook_deliveries WHERE delivered_at IS NOT NULL";
    stack.count_when(taken, |taken| taken == 2).await;

    let webhook = deleted["id"].as_str().expect("an id");
    let mut deleting = stack.pool.begin().await.expect("begins");
    let delete = "DELETE FROM webhooks WHERE id = $1::uuid";
    sqlx::query(delete).bind(webhook).execute(&mut *deleting).await.expect("deletes");
    let committing = async {
        stack.somebody_waits_for_a_lock().await;
        deleting.commit().await.expect("commits");
    };
    tokio::join!(complete(&stack, id), committing);
    assert_eq!(stack.recording(id).await["state"], "completed");
    let received = receiver.received_when(|received| messages(received).len() == 3).await;
    let told = received.iter().filter(|one| one.event()["type"] == "recording.completed");
    assert_eq!(told.map(|one| one.path.as_str()).collect::<Vec<_>>(), ["/kept"]);

    // And the other way round: it ended first, and its event goes with the webhook.
    let mut ending = stack.pool.begin().await.expect("begins");
    let end = "UPDATE recordings SET state = 'cancelled', completed_at = NULL";
    sqlx::query(end).execute(&mut *ending).await.expect("updates");
    let path = stack.url(&format!("/v1/webhooks/{}", kept["id"].as_str().expect("an id")));
    let committing = async {
        stack.somebody_waits_for_a_lock().await;
        ending.commit().await.expect("commits");
    };
    let (answer, ()) = tokio::join!(stack.http.delete(path).send(), committing);
    assert_eq!(answer.expect("answers").status(), StatusCode::NO_CONTENT);
    assert_eq!(stack.recording(id).await["state"], "cancelled");
    assert_eq!(stack.count("SELECT count(*) FROM webhook_deliveries").await, 0);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_noted_though_the_sender_waits_for_the_database() {
    let stack = Stack::start(&[ALLOWED]).await;
    let receiver = Receiver::start().await;
    let webhook = add(&stack, json!({ "url": receiver.url("/slow") })).await;
    let unanswered = receiver.shared.hold.lock().await;
    let ping = format!("/v1/webhooks/{}/ping", webhook["id"].as_str().expect("an id"));
    stack.post(&ping).send().await.expect("answers");
    receiver.received_when(|received| received.len() == 1).await;
    // To take events in hand it needs to know the webhooks; to note what came of one it does not.
    let mut lock = stack.pool.begin().await.expect("begins");
    sqlx::query("LOCK TABLE webhooks IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.expect("locks");
    stack.somebody_waits_for_a_lock().await;
    drop(unanswered);
    let noted = "SELECT count(*) FROM webhook_deliveries WHERE delivered_at IS NOT NULL";
    stack.count_when(noted, |noted| noted == 1).await;
    lock.rollback().await.expect("ends");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_fills_the_table_with_pings_of_a_receiver_that_does_not_take_them() {
    let stack = Stack::start(&[ALLOWED]).await;
    let receiver = Receiver::start().await;
    receiver.answers(StatusCode::INTERNAL_SERVER_ERROR);
    let webhook = add(&stack, json!({ "url": receiver.url("/a") })).await;
    let ping = format!("/v1/webhooks/{}/ping", webhook["id"].as_str().expect("an id"));
    for _ in 0..10 {
        assert_eq!(stack.post(&ping).send().await.expect("answers").status(), StatusCode::ACCEPTED);
    }
    let one_more = stack.post(&ping).send().await.expect("answers");
    problem(one_more, StatusCode::TOO_MANY_REQUESTS, "too-many-pings").await;
    assert_eq!(stack.count("SELECT count(*) FROM webhook_deliveries").await, 10);
    stack.stop().await;
}
