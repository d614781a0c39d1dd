//! Access: tokens, addresses that are not there, and the operator's pages.

use crate::stack::{Stack, problem};
use reqwest::StatusCode;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_set_every_call_must_bring_it() {
    let stack = Stack::start(&["--api-token=s3cret"]).await;
    for wrong in [None, Some("Bearer other"), Some("Basic s3cret"), Some("Bearer s3cre")] {
        let mut request = stack.post("/v1/recordings").body("x");
        if let Some(wrong) = wrong {
            request = request.header("authorization", wrong);
        }
        let answer = request.send().await.expect("answers");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        problem(answer, StatusCode::UNAUTHORIZED, "unauthorized").await;
    }
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 0);
    let right = stack.get("/v1/recordings").bearer_auth("s3cret").send().await.expect("answers");
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
    let ready = stack.get("/readyz").send().await.expect("answers");
    assert_eq!((ready.status(), ready.text().await.expect("text")), (StatusCode::OK, "ready\n".to_owned()));
    stack.stop().await;
}
