//! Hosts: a page of another site that has its own name lead here (DNS rebinding) reads nothing and changes nothing.

use crate::stack::{Stack, TOKEN, problem};
use reqwest::header::HOST;
use reqwest::{Method, StatusCode};

async fn send(stack: &Stack, method: Method, path: &str, host: &str) -> reqwest::Response {
    stack.http.request(method, stack.url(path)).header(HOST, host).send().await.expect("answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn under_another_name_nothing_is_read_and_nothing_deleted() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("", b"not audio".to_vec()).await;
    let recording = format!("/v1/recordings/{}", accepted["id"].as_str().expect("an id"));
    for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "203.0.113.7"] {
        for (method, path) in [
            (Method::GET, "/v1/recordings"),
            (Method::GET, &recording),
            (Method::DELETE, &recording),
            (Method::POST, "/v1/recordings"),
            (Method::GET, "/"),
            (Method::GET, "/operations"),
            (Method::GET, "/docs/"),
            (Method::GET, "/openapi.json"),
            (Method::GET, "/nowhere"),
        ] {
            let answer = send(&stack, method, path, host).await;
            let detail = problem(answer, StatusCode::MISDIRECTED_REQUEST, "other-host").await;
            let name = host.split(':').next().expect("a name");
            assert!(detail.contains(&format!("THROUGHLINE_HOSTS={name}")), "{detail}");
        }
        let health = send(&stack, Method::GET, "/healthz", host).await;
        assert_eq!(health.status(), StatusCode::OK, "probes send what they like");
    }
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 1);
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3:80", "[::1]:8080"] {
        let answer = send(&stack, Method::GET, &recording, host).await;
        assert_eq!(answer.status(), StatusCode::OK, "{host}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_given_are_answered_and_tokens_change_nothing_of_it() {
    let stack =
        Stack::start(&["--hosts=Throughline.example.org,transcripts", &format!("--api-token={TOKEN}")]).await;
    for (host, wanted) in [
        ("throughline.example.org", StatusCode::OK),
        ("transcripts:8443", StatusCode::OK),
        ("localhost", StatusCode::OK),
        ("example.org", StatusCode::MISDIRECTED_REQUEST),
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let list = stack.get("/v1/recordings").bearer_auth(TOKEN).header(HOST, host).send().await;
        assert_eq!(list.expect("answers").status(), wanted, "{host}");
    }
    stack.stop().await;
}
