//! Callers: who sent what, by the name of the token.

use crate::access::become_status;
use crate::browsers::{Events, cookie, soon};
use crate::resumable::{create, text};
use crate::stack::{Stack, problem};
use reqwest::header::{CONTENT_TYPE, COOKIE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::time::Duration;
use tempfile::NamedTempFile;

/// A tokens' file in which each name is its own token, with what is written behind the digest.
pub fn tokens(lines: &[(&str, &str)]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    for (name, scopes) in lines {
        writeln!(file, "{name} {} {scopes}", hex::encode(Sha256::digest(name))).expect("writes");
    }
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_says_who_has_sent_it_however_it_was_sent() {
    let file = tokens(&[("ann", ""), ("bob", "")]);
    let stack = Stack::start(&[&format!("--api-tokens-file={}", file.path().display())]).await;
    let uploaded = stack.post("/v1/recordings").bearer_auth("ann").body("not audio").send().await;
    let ann: Value = uploaded.expect("answers").json().await.expect("is JSON");
    let tus = stack
        .http
        .request(Method::POST, stack.url("/v1/uploads"))
        .bearer_auth("bob")
        .header("tus-resumable", "1.0.0")
        .header("upload-length", 9)
        .header(CONTENT_TYPE, "application/offset+octet-stream")
        .body("not audio");
    let answer = tus.send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::CREATED);
    let bob = text(answer.headers(), "throughline-recording");
    for (path, sender) in
        [(format!("/v1/recordings/{}", ann["id"].as_str().expect("an id")), "ann"), (bob.clone(), "bob")]
    {
        let shown = stack.get(&path).bearer_auth("ann").send().await.expect("answers");
        assert_eq!(shown.json::<Value>().await.expect("is JSON")["caller"], sender);
    }
    let list = stack.get("/v1/recordings").bearer_auth("ann").send().await.expect("answers");
    let list: Value = list.json().await.expect("is JSON");
    let senders: Vec<&Value> =
        list["recordings"].as_array().expect("a list").iter().map(|r| &r["caller"]).collect();
    assert_eq!(senders, ["bob", "ann"]);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_no_tokens_nobody_is_named() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("", b"not audio".to_vec()).await;
    assert_eq!(stack.recording(accepted["id"].as_str().expect("an id")).await["caller"], "");
    create(&stack, 9, "").await;
    assert_eq!(stack.count("SELECT count(*) FROM resumable_uploads WHERE caller = ''").await, 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_it_is_good_for_and_is_told_what_it_is_not() {
    let lines = [("reader", "read"), ("sender", "write"), ("operator", "operate"), ("old", "")];
    let file = tokens(&lines);
    let stack = Stack::start(&[&format!("--api-tokens-file={}", file.path().display())]).await;
    let send = async |token: &str, method: Method, path: &str| {
        stack.http.request(method, stack.url(path)).bearer_auth(token).send().await.expect("answers")
    };
    let unknown = "/v1/recordings/0199a3c4-5d6e-7f80-9123-456789abcdef";
    for (method, path, needed) in [
        (Method::GET, "/v1/recordings", "read"),
        (Method::GET, &*format!("{unknown}/turns"), "read"),
        (Method::POST, "/v1/recordings", "write"),
        (Method::DELETE, unknown, "write"),
        (Method::POST, &*format!("{unknown}/cancel"), "write"),
        (Method::HEAD, "/v1/uploads/0199a3c4-5d6e-7f80-9123-456789abcdef", "write"),
        (Method::GET, "/v1/operations", "operate"),
        (Method::POST, "/v1/queues/throughline.decode/resume", "operate"),
        (Method::GET, "/v1/dead-letters", "operate"),
        (Method::GET, "/v1/webhooks", "operate"),
        (Method::GET, "/v1/audit", "operate"),
    ] {
        for (token, scopes) in lines {
            let answer = send(token, method.clone(), path).await;
            let allowed = answer.status() != StatusCode::FORBIDDEN;
            assert_eq!(allowed, scopes.is_empty() || scopes == needed, "{token}: {method} {path}");
            if !allowed && method != Method::HEAD {
                let detail = problem(answer, StatusCode::FORBIDDEN, "scope").await;
                assert!(
                    detail.contains(&format!("may be used for {scopes}, and this needs {needed}")),
                    "{detail}"
                );
            }
        }
    }
    for (token, scopes) in lines {
        let who: Value = send(token, Method::GET, "/v1/session").await.json().await.expect("is JSON");
        let scopes = if scopes.is_empty() { "read write operate" } else { scopes };
        assert_eq!(who["scopes"], serde_json::json!(scopes.split(' ').collect::<Vec<_>>()), "{token}");
        assert_eq!((&who["caller"], &who["signed_in"]), (&token.into(), &false.into()));
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_is_worth_nothing_anywhere_and_its_streams_end() {
    let file = tokens(&[("ann", "")]);
    let with_file = format!("--api-tokens-file={}", file.path().display());
    let stack = Stack::start(&[&with_file]).await;
    let (other, another) = stack.another_with(&[&with_file]).await;
    let begin = async || stack.post("/v1/session").bearer_auth("ann").send().await.expect("answers");
    let ((pass, _), (others, _)) = (cookie(&begin().await), cookie(&begin().await));
    let uploaded = stack.post("/v1/recordings").header(COOKIE, &pass).body("not audio").send().await;
    let accepted: Value = uploaded.expect("answers").json().await.expect("is JSON");
    let recording = format!("/v1/recordings/{}", accepted["id"].as_str().expect("an id"));
    let mut stream = Events::asked_for(stack.get(&format!("{recording}/events")).header(COOKIE, &pass)).await;
    soon(stream.next()).await.expect("comes at once");

    let ended = stack.http.delete(stack.url("/v1/session")).header(COOKIE, &pass).send().await;
    assert_eq!(ended.expect("answers").status(), StatusCode::NO_CONTENT);
    for address in [stack.address, other] {
        let url = format!("http://{address}{recording}");
        let copy = stack.http.get(&url).header(COOKIE, &pass).send().await.expect("answers");
        problem(copy, StatusCode::UNAUTHORIZED, "unauthorized").await;
        let second = stack.http.get(&url).header(COOKIE, &others).send().await.expect("answers");
        assert_eq!(second.status(), StatusCode::OK, "another session of the same token goes on");
    }
    while soon(stream.next()).await.is_some() {}
    // Whoever makes a pass up ends nothing, and what is over is not kept.
    let made_up = "throughline-session=9999999999.0199a3c45d6e7f809123456789abcdef.00";
    stack.http.delete(stack.url("/v1/session")).header(COOKIE, made_up).send().await.expect("answers");
    assert_eq!(stack.count("SELECT count(*) FROM ended_sessions").await, 1);
    another.stop().await;
    stack.stop().await;
}

/// Takes the tokens of `file` back while `asked` is let in by a session: somebody has locked what tells whether that has ended. The answer.
async fn let_in_as_the_token_goes(stack: &Stack, file: &NamedTempFile, asked: RequestBuilder) -> Response {
    let mut holder = stack.pool.begin().await.expect("begins");
    sqlx::query("LOCK TABLE ended_sessions").execute(&mut *holder).await.expect("locks");
    let asking = tokio::spawn(asked.send());
    stack.somebody_waits_for_a_lock().await;
    std::fs::write(file.path(), "").expect("writes");
    become_status(async || status_of_ann(stack).await, StatusCode::UNAUTHORIZED).await;
    holder.rollback().await.expect("lets go");
    asking.await.expect("no panic").expect("answers")
}

async fn status_of_ann(stack: &Stack) -> StatusCode {
    stack.get("/v1/session").bearer_auth("ann").send().await.expect("answers").status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_though_its_token_was_taken_back_while_it_was_let_in() {
    let file = tokens(&[("ann", "")]);
    let stack = Stack::start(&[&format!("--api-tokens-file={}", file.path().display())]).await;
    let uploaded = stack.post("/v1/recordings").bearer_auth("ann").body("not audio").send().await;
    let accepted: Value = uploaded.expect("answers").json().await.expect("is JSON");
    let events = format!("/v1/recordings/{}/events", accepted["id"].as_str().expect("an id"));
    let begun = stack.post("/v1/session").bearer_auth("ann").send().await.expect("answers");
    let (pass, _) = cookie(&begun);
    // Whoever waits for a lock is refused after seconds, which on a busy machine may be before the file is looked at.
    for _ in 0..10 {
        std::fs::copy(tokens(&[("ann", "")]).path(), file.path()).expect("is written again");
        become_status(async || status_of_ann(&stack).await, StatusCode::OK).await;
        let asked = stack.get(&events).header(COOKIE, &pass);
        let answer = let_in_as_the_token_goes(&stack, &file, asked).await;
        if answer.status() == StatusCode::OK {
            let mut stream = Events::of_answer(answer);
            while soon(stream.next()).await.is_some() {}
            stack.stop().await;
            return;
        }
    }
    panic!("the stream was never let in");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_shown_to_operators_with_who_when_and_to_what() {
    let file = tokens(&[("ann", "read,write"), ("bob", "operate")]);
    let stack =
        Stack::start(&[&format!("--api-tokens-file={}", file.path().display()), "--sweep-seconds=1"]).await;
    let uploaded = stack.post("/v1/recordings").bearer_auth("ann").body("not audio").send().await;
    let accepted: Value = uploaded.expect("answers").json().await.expect("is JSON");
    let id = accepted["id"].as_str().expect("an id");
    let recording = format!("/v1/recordings/{id}");
    stack.get(&recording).bearer_auth("ann").send().await.expect("answers");
    let paused = stack.post("/v1/queues/throughline.match/pause").bearer_auth("bob").send().await;
    assert_eq!(paused.expect("answers").status(), StatusCode::OK);
    let refused = stack.http.delete(stack.url(&recording)).bearer_auth("bob").send().await;
    assert_eq!(refused.expect("answers").status(), StatusCode::FORBIDDEN);
    let deleted = stack.http.delete(stack.url(&recording)).bearer_auth("ann").send().await;
    assert_eq!(deleted.expect("answers").status(), StatusCode::NO_CONTENT);
    stack.post("/v1/session").bearer_auth("ann").send().await.expect("answers");

    let ask = async |query: &str| {
        let answer = stack.get(&format!("/v1/audit{query}")).bearer_auth("bob").send().await;
        answer.expect("answers").json::<Value>().await.expect("is JSON")
    };
    let told = |page: &Value| {
        let entries = page["entries"].as_array().expect("a list").iter();
        let text = |it: &Value| it.as_str().unwrap_or("-").to_owned();
        let told = entries
            .map(|it| [&it["caller"], &it["action"], &it["recording"], &it["subject"]].map(text).join(" "));
        told.collect::<Vec<_>>()
    };
    let all = ask("").await;
    let wanted = [
        "ann session.begun - -".to_owned(),
        format!("ann recording.deleted {id} -"),
        "bob queue.paused - throughline.match".to_owned(),
        format!("ann recording.uploaded {id} -"),
    ];
    assert_eq!(told(&all), wanted);
    assert_eq!(all["entries"][1]["status"], 204);
    assert_eq!(told(&ask(&format!("?recording={id}")).await), [&*wanted[1], &*wanted[3]]);
    assert_eq!(told(&ask("?caller=bob").await), wanted[2..3]);
    let first = ask("?limit=3").await;
    assert_eq!(told(&ask(&format!("?before={}", first["next"])).await), wanted[3..]);

    // What is too old goes, and with it the sessions whose time has come.
    for old in [
        "UPDATE audit SET at = now() - interval '91 days' WHERE action LIKE 'recording.%'",
        "INSERT INTO ended_sessions VALUES (gen_random_uuid(), now() - interval '1 second')",
    ] {
        sqlx::query(old).execute(&stack.pool).await.expect("runs");
    }
    stack.count_when("SELECT count(*) FROM audit", |left| left == 2).await;
    stack.count_when("SELECT count(*) FROM ended_sessions", |left| left == 0).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_began_and_did_not_wait_for_is_noted_without_an_answer() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("", b"not audio".to_vec()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.recording_when(id, |it| it["state"] == "failed").await;
    let mut held = stack.pool.begin().await.expect("begins");
    sqlx::query("SELECT FROM recordings FOR UPDATE").execute(&mut *held).await.expect("locks");
    let path = format!("/v1/recordings/{id}/reprocess");
    let gone = stack.post(&path).timeout(Duration::from_millis(300)).send().await;
    assert!(gone.expect_err("is not answered").is_timeout());
    stack
        .count_when(
            "SELECT count(*) FROM audit WHERE action = 'recording.reprocessed' AND status IS NULL",
            |n| n == 1,
        )
        .await;
    held.rollback().await.expect("ends");
    stack.stop().await;
}
