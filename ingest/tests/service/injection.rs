//! Injection: names, headers and queries that try to be more than what they are.

use crate::raw;
use crate::stack::{Stack, problem};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

/// An upload as a form whose file has the name `name`, as it stands in the head of its part.
fn form(name: &str) -> Vec<u8> {
    let body = format!(
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\nnot audio\r\n--b--\r\n"
    );
    raw::upload("content-type: multipart/form-data; boundary=b\r\n", body.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_name_reaches_the_store_or_breaks_a_line() {
    let stack = Stack::start(&[]).await;
    let long = "n".repeat(5_000);
    let names = [
        "../../../etc/passwd",
        "..\\..\\boot.ini",
        "/dev/null",
        "a\0b.wav",
        "a%0d%0ab.wav",
        "exe.\u{202e}vaw.mp3",
        "\u{2028}x\u{2029}.wav",
        "x SPEAKER y 1 0 1 <NA> <NA> z.wav",
        "C:",
        "..",
        &long,
    ];
    for name in names {
        let answer = raw::exchange(stack.address, &form(name)).await;
        if raw::status(&answer) == 400 {
            continue;
        }
        assert_eq!(raw::status(&answer), 202, "{name:?}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        let accepted: Value = serde_json::from_str(body).expect("is JSON");
        let id: Uuid = accepted["id"].as_str().expect("an id").parse().expect("is one");
        assert!(head.contains(&format!("location: /v1/recordings/{id}\r\n")), "{head}");
        for shown in [&accepted["title"], &accepted["file_name"]] {
            let shown = shown.as_str().expect("text");
            assert!(
                shown.chars().all(diarization::labels::is_printable) && !shown.contains(['/', '\\']),
                "{shown:?}"
            );
            assert!(shown.chars().count() <= 200, "{}", shown.len());
        }
        let stored = stack.object(&format!("recordings/{id}/upload"));
        assert!(stored.is_file(), "{name:?}");
    }
    for file in stack.files() {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(name, "upload", "{file:?}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_is_one_line_and_a_speaker_in_rttm_is_one_column() {
    let stack = Stack::start(&[]).await;
    let accepted = stack
        .upload(
            "?title=a%0d%0aSet-Cookie:%20x%00b&file_name=my%09talk%0a.wav&labels=Ann%20Lee,Bob",
            b"not audio".to_vec(),
        )
        .await;
    assert_eq!(
        (&accepted["title"], &accepted["file_name"]),
        (&json!("a  Set-Cookie: x b"), &json!("mytalk"))
    );
    let id = accepted["id"].as_str().expect("an id");
    stack.recording_when(id, |recording| recording["state"] == "failed").await;
    let turn = "INSERT INTO turns SELECT id, 0, 100, 0, E'Ann Lee\\nSPEAKER x 1 0.000 9.000 <NA> <NA> Eve <NA> <NA>', false FROM recordings";
    sqlx::query(turn).execute(&stack.pool).await.expect("inserts");
    let rttm = stack
        .get(&format!("/v1/recordings/{id}/turns?format=rttm"))
        .send()
        .await
        .expect("answers")
        .text()
        .await
        .expect("text");
    let read = diarization::rttm::parse(&rttm).expect("is RTTM");
    assert_eq!((rttm.lines().count(), read.len(), read[0].file.as_str()), (1, 1, "mytalk"));

    for labels in ["Ann%0aBob", "Ann%00", "Ann%E2%80%AEBob", "Ann,,Bob", &vec!["x"; 9_000].join(",")] {
        let answer =
            stack.post(&format!("/v1/recordings?labels={labels}")).body("x").send().await.expect("answers");
        problem(answer, StatusCode::BAD_REQUEST, "bad-option").await;
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_that_an_address_does_not_know_is_refused_everywhere() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("", b"x".to_vec()).await;
    let id = accepted["id"].as_str().expect("an id");
    let (get, post, delete) = ("GET", "POST", "DELETE");
    for (method, address) in [
        (get, "/v1/recordings?page=2".to_owned()),
        (get, "/v1/recordings?limit=1&limit=2".to_owned()),
        (get, "/v1/recordings?limit=-1".to_owned()),
        (get, "/v1/recordings?before=yesterday".to_owned()),
        (post, "/v1/recordings?treshold=0.5".to_owned()),
        (post, "/v1/recordings?title=a&title=b".to_owned()),
        (get, format!("/v1/recordings/{id}?fields=all")),
        (delete, format!("/v1/recordings/{id}?dry_run=true")),
        (get, format!("/v1/recordings/{id}/turns?format=xml")),
        (get, format!("/v1/recordings/{id}/turns?format=json&start=5")),
        (post, format!("/v1/recordings/{id}/reprocess?threshold=0.5")),
        (get, "/v1/dead-letters?state=new".to_owned()),
        (get, "/v1/dead-letters/1?x=1".to_owned()),
        (post, "/v1/dead-letters/1/replay?x=1".to_owned()),
        (delete, "/v1/dead-letters/1?x=1".to_owned()),
    ] {
        let method = method.parse().expect("a method");
        let answer = stack.http.request(method, stack.url(&address)).send().await.expect("answers");
        let detail = problem(answer, StatusCode::BAD_REQUEST, "bad-option").await;
        assert!(
            detail.contains("the option '") || detail.contains("there is no option '"),
            "{address}: {detail}"
        );
    }
    let recording = stack.recording(id).await;
    assert_eq!(recording["run"], 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_two_lengths_is_one_request() {
    let stack = Stack::start(&[]).await;
    // What follows the last chunk would be a request of its own to whoever goes by the chunks.
    let smuggled = "GET /v1/recordings HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 200",
    ] {
        let request = format!(
            "POST /v1/recordings HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\n1\r\nx\r\n0\r\n\r\n{smuggled}"
        );
        let answer = raw::exchange(stack.address, request.as_bytes()).await;
        assert_eq!((raw::status(&answer), raw::answers(&answer)), (202, 1), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    for bad in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: +5",
        "content-length: 5, 5",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked, identity",
        "content-length : 5",
        " content-length: 5",
    ] {
        let request =
            format!("POST /v1/recordings HTTP/1.1\r\nhost: localhost\r\n{bad}\r\n\r\nhello{smuggled}");
        let answer = raw::exchange(stack.address, request.as_bytes()).await;
        assert_eq!((raw::status(&answer), raw::answers(&answer)), (400, 1), "{bad}: {answer}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_addresses_that_mean_nothing_are_answered_sanely() {
    let stack = Stack::start(&[]).await;
    let long = "9".repeat(10_000);
    for trace in [
        "",
        "garbage",
        "00-0-0-0",
        "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff",
        "00-\u{e9}-x-01",
        &long,
    ] {
        let answer = raw::exchange(
            stack.address,
            &raw::upload(&format!("traceparent: {trace}\r\ntracestate: {trace}\r\n"), b"x"),
        )
        .await;
        assert_eq!(raw::status(&answer), 202, "{trace}");
    }
    for address in [
        "POST /v1/queues/%ff/pause",
        "GET /v1/dead-letters/%ff",
        "GET /files/1/%ff",
        "GET /v1/recordings/%ff",
        "GET /v1/recordings/%ff/corrections",
        "GET /v1/webhooks/%c3%28",
        "GET /v1/recordings?title=%ff",
        "GET /v1/recordings?%ff=1",
        "POST /v1/recordings?title=%ff",
        "GET /v1/recordings?created_before=-4800-01-01T00:00:00Z",
        "GET /v1/recordings?created_after=%2B262142-12-31T23:59:59Z",
        "GET /v1/recordings?created_before=%2B10000-01-01T00:00:00Z",
    ] {
        let request = format!(
            "{address} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        let answer = raw::exchange(stack.address, request.as_bytes()).await;
        assert_eq!(raw::status(&answer), 400, "{address}: {answer}");
        assert!(answer.contains("urn:throughline:problem:"), "{address}: {answer}");
    }
    for (address, status) in [
        ("/v1/recordings/..%2f..%2fetc", 400),
        ("/v1/recordings/%00", 400),
        ("/v1/recordings/%ff", 400),
        ("/v1/recordings/%0d%0aset-cookie:x", 400),
        ("/v1/recordings/../../etc/passwd", 404),
        ("//v1/recordings", 404),
        ("/v1/recordings/", 404),
        ("http://other.example/healthz", 200),
        ("http://other.example/v1/recordings", 421),
        ("http://127.0.0.1/v1/recordings", 200),
        ("*", 404),
    ] {
        let request = format!("GET {address} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = raw::exchange(stack.address, request.as_bytes()).await;
        assert_eq!(raw::status(&answer), status, "{address}: {answer}");
        assert!(!answer.contains("\r\nset-cookie"), "{answer}");
    }
    for request in [
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n",
    ] {
        let answer = raw::exchange(stack.address, request.as_bytes()).await;
        assert!(
            answer.is_empty() || raw::status(&answer) == 400 || raw::status(&answer) == 505,
            "{request:?}: {answer}"
        );
    }
    stack.stop().await;
}
