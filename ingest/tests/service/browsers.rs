//! Browsers: sessions in a cookie, and recordings followed as they change.

use crate::stack::{Stack, TOKEN, interview, problem};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The cookie that a browser sends back, and what it was told of it.
pub fn cookie(answer: &Response) -> (String, String) {
    let set = answer.headers()[SET_COOKIE].to_str().expect("text");
    let (pair, attributes) = set.split_once("; ").expect("has attributes");
    (pair.to_owned(), attributes.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_takes_the_place_of_a_token_for_pages_of_this_service_alone() {
    let stack = Stack::start(&[&format!("--api-token={TOKEN}")]).await;
    problem(
        stack.post("/v1/session").send().await.expect("answers"),
        StatusCode::UNAUTHORIZED,
        "unauthorized",
    )
    .await;
    let begun =
        stack.post("/v1/session").bearer_auth(TOKEN).header("x-forwarded-proto", "https").send().await;
    let begun = begun.expect("answers");
    assert_eq!(begun.status(), StatusCode::NO_CONTENT);
    let (cookie, attributes) = cookie(&begun);
    assert_eq!(attributes, "Path=/; Max-Age=604800; HttpOnly; SameSite=Strict; Secure");
    assert!(!cookie.contains(TOKEN), "{cookie}");

    let send = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let mut request = stack.http.request(method, stack.url(path)).header(COOKIE, &cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body("not audio").send().await.expect("answers")
    };
    let read = send(Method::GET, "/v1/recordings", &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(read.status(), StatusCode::OK);
    for from in [&[][..], &[("sec-fetch-site", "same-origin")]] {
        assert_eq!(send(Method::POST, "/v1/recordings", from).await.status(), StatusCode::ACCEPTED);
    }
    for from in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
    ] {
        let answer = send(Method::POST, "/v1/recordings", &[from]).await;
        problem(answer, StatusCode::FORBIDDEN, "cross-site").await;
    }
    let wrong = [("cookie", "throughline-session=9999999999.00")];
    let answer = stack.get("/v1/recordings").header(wrong[0].0, wrong[0].1).send().await.expect("answers");
    problem(answer, StatusCode::UNAUTHORIZED, "unauthorized").await;
    let ended = stack.http.delete(stack.url("/v1/session")).send().await.expect("answers");
    let (emptied, attributes) = super::browsers::cookie(&ended);
    assert_eq!((ended.status(), emptied.as_str()), (StatusCode::NO_CONTENT, "throughline-session="));
    assert!(attributes.contains("Max-Age=0"), "{attributes}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token_and_holds_in_every_process() {
    let stack = Stack::start(&[&format!("--api-token={TOKEN}")]).await;
    let begun = stack.post("/v1/session").bearer_auth(TOKEN).send().await.expect("answers");
    let (cookie, _) = cookie(&begun);
    for (token, wanted) in [(TOKEN, StatusCode::OK), ("another-T0b7uQv1Yx5eW9aK", StatusCode::UNAUTHORIZED)] {
        let (address, other) = stack.another_with(&[&format!("--api-token={token}")]).await;
        let url = format!("http://{address}/v1/recordings");
        let answer = stack.http.get(url).header(COOKIE, &cookie).send().await.expect("answers");
        assert_eq!(answer.status(), wanted, "{token}");
        other.stop().await;
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_token_is_set_no_session_is_needed_and_other_sites_are_refused_all_the_same() {
    let stack = Stack::start(&[]).await;
    let begun = stack.post("/v1/session").send().await.expect("answers");
    assert_eq!((begun.status(), begun.headers().get(SET_COOKIE)), (StatusCode::NO_CONTENT, None));
    let other = stack.post("/v1/recordings").header("sec-fetch-site", "cross-site").body("x").send().await;
    problem(other.expect("answers"), StatusCode::FORBIDDEN, "cross-site").await;
    stack.stop().await;
}

/// Events that come over a stream.
pub struct Events {
    answer: Response,
    text: String,
}

impl Events {
    async fn of(stack: &Stack, id: &str, last: Option<&str>) -> Self {
        let mut request = stack.get(&format!("/v1/recordings/{id}/events"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Self::asked_for(request).await
    }

    pub async fn asked_for(request: RequestBuilder) -> Self {
        Self::of_answer(request.send().await.expect("answers"))
    }

    pub fn of_answer(answer: Response) -> Self {
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, text: String::new() }
    }

    /// Id and recording of the next event; `None` once the stream has ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                assert_eq!(field("event: "), "recording", "{event}");
                let next =
                    (field("id: ").to_owned(), serde_json::from_str(field("data: ")).expect("is JSON"));
                self.text = rest.to_owned();
                return Some(next);
            }
            let part = self.answer.chunk().await.expect("goes on")?;
            self.text.push_str(std::str::from_utf8(&part).expect("text"));
        }
    }
}

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("comes soon")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_followed_from_what_the_client_has_until_it_is_deleted() {
    let stack = Stack::start_without_broker().await;
    let accepted = stack.upload("", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    let mut events = Events::of(&stack, id, None).await;
    let (revision, first) = soon(events.next()).await.expect("comes at once");
    assert_eq!(first, stack.recording(id).await);
    assert_eq!(first["revision"], json!(revision));

    // One who has that gets nothing before something changes; what is not in the recording's row is seen too.
    let mut later = Events::of(&stack, id, Some(&revision)).await;
    assert!(tokio::time::timeout(Duration::from_secs(2), later.next()).await.is_err());
    sqlx::query("INSERT INTO gaps (recording_id, chunk, reason) SELECT id, 0, 'why' FROM recordings")
        .execute(&stack.pool)
        .await
        .expect("inserts");
    let (gapped, _) = soon(events.next()).await.expect("goes on");
    assert_ne!(gapped, revision);
    assert_eq!(soon(later.next()).await.expect("goes on").0, gapped);

    stack.post(&format!("/v1/recordings/{id}/cancel")).send().await.expect("answers");
    let (_, cancelled) = soon(events.next()).await.expect("goes on");
    assert_eq!(cancelled["state"], "cancelled");
    stack.http.delete(stack.url(&format!("/v1/recordings/{id}"))).send().await.expect("answers");
    assert!(soon(events.next()).await.is_none());
    let gone = stack.get(&format!("/v1/recordings/{id}/events")).send().await.expect("answers");
    problem(gone, StatusCode::NOT_FOUND, "unknown-recording").await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_the_service_outlast_its_patience_and_never_take_all_connections() {
    let stack =
        Stack::start(&["--max-connections=4", "--silence-seconds=1", "--min-bytes-per-second=100000"]).await;
    let accepted = stack.upload("", b"not audio".to_vec()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.recording_when(id, |r| r["state"] == "failed").await;
    let mut streams = [Events::of(&stack, id, None).await, Events::of(&stack, id, None).await];
    let busy = stack.get(&format!("/v1/recordings/{id}/events")).send().await.expect("answers");
    assert_eq!(busy.headers()["retry-after"], "5");
    problem(busy, StatusCode::TOO_MANY_REQUESTS, "many-streams").await;
    for stream in &mut streams {
        soon(stream.next()).await.expect("comes at once");
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    sqlx::query("UPDATE recordings SET title = 'another'").execute(&stack.pool).await.expect("updates");
    for stream in &mut streams {
        assert_eq!(soon(stream.next()).await.expect("goes on").1["title"], "another");
    }
    let (stopped, ended) = tokio::join!(soon(stack.stop()), soon(streams[0].next()));
    assert_eq!((stopped, ended), ((), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_token_that_it_was_opened_with_is_taken_back() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let line = |name: &str| format!("{name} {}\n", hex::encode(Sha256::digest(name)));
    std::fs::write(file.path(), line("ann") + &line("bob")).expect("writes");
    let stack = Stack::start(&[&format!("--api-tokens-file={}", file.path().display())]).await;
    let uploaded = stack.post("/v1/recordings").bearer_auth("ann").body("not audio").send().await;
    let accepted: Value = uploaded.expect("answers").json().await.expect("is JSON");
    let events = format!("/v1/recordings/{}/events", accepted["id"].as_str().expect("an id"));
    let mut anns = Events::asked_for(stack.get(&events).bearer_auth("ann")).await;
    soon(anns.next()).await.expect("comes at once");

    std::fs::write(file.path(), line("bob")).expect("writes");
    // What happens to the recording is told until then.
    while soon(anns.next()).await.is_some() {}
    let again = stack.get(&events).bearer_auth("ann").send().await.expect("answers");
    problem(again, StatusCode::UNAUTHORIZED, "unauthorized").await;
    let mut bobs = Events::asked_for(stack.get(&events).bearer_auth("bob")).await;
    soon(bobs.next()).await.expect("comes at once");
    stack.stop().await;
}
