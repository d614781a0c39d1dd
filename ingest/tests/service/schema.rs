//! Schema: a program on a database that is not set up for it waits, says what to do, once, and begins when that is done.

use crate::access::become_status;
use crate::stack::{Stack, interview, problem};
use reqwest::StatusCode;
use service_kit::schema::MIGRATIONS;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().expect("there are some")
}

async fn readiness(stack: &Stack) -> (StatusCode, String) {
    let answer = stack.get("/readyz").send().await.expect("answers");
    (answer.status(), answer.text().await.expect("is text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn on_an_empty_schema_it_says_what_to_do_and_begins_once_that_is_done() {
    let stack = Stack::start_on_schema(0).await;
    assert!(stack.get("/healthz").send().await.expect("answers").status().is_success());
    let (status, why) = readiness(&stack).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(why.contains("the database has no tables yet: run `throughline migrate`"), "{why}");
    let answer = stack.post("/v1/recordings").body(interview()).send().await.expect("answers");
    let detail = problem(answer, StatusCode::SERVICE_UNAVAILABLE, "schema").await;
    assert!(detail.contains("throughline migrate"), "{detail}");
    MIGRATIONS.run(&stack.pool).await.expect("migrates");
    let id = stack.upload("", interview()).await["id"].as_str().expect("an id").to_owned();
    stack.decoded(&id).await;
    assert_eq!(readiness(&stack).await.0, StatusCode::OK);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_an_older_schema_it_takes_no_job_until_it_is_migrated() {
    let stack = Stack::start_on_schema(newest() - 1).await;
    let (status, why) = readiness(&stack).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let wanted = format!("at version {}, and this program needs version {}", newest() - 1, newest());
    assert!(why.contains(&wanted), "{why}");
    MIGRATIONS.run(&stack.pool).await.expect("migrates");
    let id = stack.upload("", interview()).await["id"].as_str().expect("an id").to_owned();
    stack.decoded(&id).await;
    assert_eq!(stack.count("SELECT count(*) FROM dead_letters").await, 0);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_newer_schema_it_goes_on() {
    let stack = Stack::start(&[]).await;
    let insert = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES ($1, 'next', true, '', 0)";
    sqlx::query(insert).bind(newest() + 1).execute(&stack.pool).await.expect("is inserted");
    let (address, another) = stack.another_with(&[]).await;
    let ready =
        async || stack.http.get(format!("http://{address}/readyz")).send().await.expect("answers").status();
    become_status(ready, StatusCode::OK).await;
    another.stop().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_waits_for_is_said_once() {
    let stack = Stack::start_on_schema(0).await;
    let mut program = Command::new(env!("CARGO_BIN_EXE_throughline-ingest"))
        .args(&stack.arguments()[1..])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    tokio::time::sleep(Duration::from_secs(6)).await;
    program.kill().expect("is ours");
    let said = program.wait_with_output().expect("ends");
    let lines = said.stdout.lines().chain(BufReader::new(&said.stderr[..]).lines()).map_while(Result::ok);
    let warned: Vec<String> = lines.filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("run `throughline migrate`"), "{warned:?}");
    stack.stop().await;
}
