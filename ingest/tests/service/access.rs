//! Access: tokens, addresses that are not there, and the operator's pages.

use crate::stack::{Stack, TOKEN, problem};
use reqwest::StatusCode;
use sha2::Digest;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_set_every_call_must_bring_it() {
    let stack = Stack::start(&[&format!("--api-token={TOKEN}")]).await;
    for wrong in [
        None,
        Some("Bearer other"),
        Some(&*format!("Basic {TOKEN}")),
        Some(&*format!("Bearer {}", &TOKEN[1..])),
    ] {
        let mut request = stack.post("/v1/recordings").body("x");
        if let Some(wrong) = wrong {
            request = request.header("authorization", wrong);
        }
        let answer = request.send().await.expect("answers");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        problem(answer, StatusCode::UNAUTHORIZED, "unauthorized").await;
    }
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 0);
    let right = stack.get("/v1/recordings").bearer_auth(TOKEN).send().await.expect("answers");
    assert_eq!(right.status(), StatusCode::OK);
    let health = stack.get("/healthz").send().await.expect("answers");
    assert_eq!(health.status(), StatusCode::OK);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_as_a_problem() {
    let stack = Stack::start(&[]).await;
    let unknown = Uuid::now_v7();
    for path in [format!("/v1/recordings/{unknown}"), format!("/v1/recordings/{unknown}/turns")] {
        let answer = stack.get(&path).send().await.expect("answers");
        let detail = problem(answer, StatusCode::NOT_FOUND, "unknown-recording").await;
        assert!(detail.contains(&unknown.to_string()), "{detail}");
    }
    let reprocess = stack.post(&format!("/v1/recordings/{unknown}/reprocess")).send().await.expect("answers");
    problem(reprocess, StatusCode::NOT_FOUND, "unknown-recording").await;
    let delete =
        stack.http.delete(stack.url(&format!("/v1/recordings/{unknown}"))).send().await.expect("answers");
    problem(delete, StatusCode::NOT_FOUND, "unknown-recording").await;
    let bad = stack.get("/v1/recordings/7").send().await.expect("answers");
    problem(bad, StatusCode::BAD_REQUEST, "bad-id").await;
    let route = stack.get("/v2/recordings").send().await.expect("answers");
    problem(route, StatusCode::NOT_FOUND, "unknown-route").await;
    let method = stack.http.put(stack.url("/v1/recordings")).send().await.expect("answers");
    problem(method, StatusCode::METHOD_NOT_ALLOWED, "method").await;
    let page = stack.get("/v1/recordings?page=2").send().await.expect("answers");
    problem(page, StatusCode::BAD_REQUEST, "bad-option").await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_when_the_database_and_the_broker_are() {
    let stack = Stack::start(&[]).await;
    stack.ready().await;
    let ready = stack.get("/readyz").send().await.expect("answers");
    assert_eq!((ready.status(), ready.text().await.expect("text")), (StatusCode::OK, "ready\n".to_owned()));
    // Metrics are at an address of their own, under whatever name a probe has for it.
    let outside = stack.get("/metrics").send().await.expect("answers");
    problem(outside, StatusCode::NOT_FOUND, "unknown-route").await;
    for path in ["/metrics", "/readyz", "/healthz"] {
        let url = format!("http://{}{path}", stack.admin);
        let answer = stack.http.get(url).header("host", "ingest-0.internal:9121").send().await;
        assert_eq!(answer.expect("answers").status(), StatusCode::OK, "{path}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_known_by_its_digest_and_the_file_of_tokens_is_read_again_when_it_changes() {
    let digest = |token: &str| hex::encode(sha2::Sha256::digest(token));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("old {}\n", digest("0ld"))).expect("writes");
    let arguments = [
        format!("--api-token-sha256={}", digest("s3cret")),
        format!("--api-tokens-file={}", file.path().display()),
    ];
    let stack = Stack::start(&[&arguments[0], &arguments[1]]).await;
    let status = async |token: &str| {
        stack.get("/v1/recordings").bearer_auth(token).send().await.expect("answers").status()
    };
    for (token, wanted) in [("s3cret", 200), ("0ld", 200), ("n3w", 401), (&digest("s3cret"), 401)] {
        assert_eq!(status(token).await, wanted, "{token}");
    }
    std::fs::write(file.path(), format!("old {}\nnew {}\n", digest("0ld"), digest("n3w"))).expect("writes");
    become_status(async || status("n3w").await, StatusCode::OK).await;
    assert_eq!(status("0ld").await, StatusCode::OK);
    // A line that cannot be used takes its own token back and no other.
    std::fs::write(file.path(), format!("rubbish\nnew {}\n", digest("n3w"))).expect("writes");
    become_status(async || status("0ld").await, StatusCode::UNAUTHORIZED).await;
    assert_eq!((status("n3w").await, status("s3cret").await), (StatusCode::OK, StatusCode::OK));
    // Without the file nobody of it gets in, and nobody who brings nothing does.
    file.close().expect("deletes");
    become_status(async || status("n3w").await, StatusCode::UNAUTHORIZED).await;
    let nothing = stack.get("/v1/recordings").send().await.expect("answers");
    assert_eq!((nothing.status(), status("s3cret").await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    stack.stop().await;
}

/// Asks until the answer has the status `wanted`.
pub async fn become_status(asked: impl AsyncFn() -> StatusCode, wanted: StatusCode) {
    for _ in 0..300 {
        if asked().await == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("never {wanted}");
}
