//! Remains: looks everywhere for what is left of a recording: in every column of every table, on every queue, in every file of the
//! object store and in the temporary folder of the services.

use crate::stack::Stack;
use lapin::options::BasicGetOptions;
use lapin::{Connection, ConnectionProperties};
use serde_json::Value;
use service_kit::testing::required;
use sqlx::AssertSqlSafe;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A message that was found on a queue.
#[derive(Clone, Debug)]
pub struct Found {
    /// The queue.
    pub queue: String,
    /// Its AMQP type.
    pub kind: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// Tables with a row that says anything of `id`, as text or as the bytes that travel in messages. Who deleted it stays on purpose.
pub async fn rows(stack: &Stack, id: Uuid) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
         WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
             AND table_name <> 'audit'",
    )
    .fetch_all(&stack.pool)
    .await
    .expect("the tables are listed");
    assert!(tables.len() >= 10, "where are the tables? {tables:?}");
    let mut found = Vec::new();
    for table in tables {
        // A row as text has all its columns in it, binary ones as hexadecimal digits.
        let look = format!("SELECT count(*) FROM {table} AS r WHERE r::text ILIKE $1 OR r::text ILIKE $2");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(look))
            .bind(format!("%{id}%"))
            .bind(format!("%{}%", id.simple()))
            .fetch_one(&stack.pool)
            .await
            .expect("looks");
        if count > 0 {
            found.push(format!("{table}: {count}"));
        }
    }
    found
}

/// Files of the object store and of the temporary folder that are called after `id`, and all of the latter.
pub fn files(stack: &Stack, id: Uuid) -> Vec<PathBuf> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, files);
            }
            files.push(path);
        }
    }
    let (mut stored, mut temporary) = (Vec::new(), Vec::new());
    collect(&stack.store(), &mut stored);
    collect(&stack.temporary(), &mut temporary);
    // A random number by which ONNX Runtime knows its own session.
    temporary.retain(|path| !path.ends_with(".ses"));
    stored.retain(|path| path.to_string_lossy().contains(&id.to_string()));
    stored.extend(temporary);
    stored
}

/// Takes every message off every queue, those that wait included. No service may be running: what one has in hand is not seen.
pub async fn messages(stack: &Stack) -> Vec<Found> {
    let vhost = url::Url::parse(stack.amqp_url()).expect("an address");
    let list = format!(
        "{}/api/queues/{}",
        required("THROUGHLINE_RABBITMQ_MANAGEMENT_URL"),
        vhost.path().trim_start_matches('/')
    );
    let listed: Value = reqwest::get(list).await.expect("the management answers").json().await.expect("JSON");
    let names = listed.as_array().unwrap_or_else(|| panic!("no list of queues: {listed}"));
    assert!(names.len() >= 3, "where are the queues? {names:?}");
    let connection =
        Connection::connect(stack.amqp_url(), ConnectionProperties::default()).await.expect("connects");
    let channel = connection.create_channel().await.expect("a channel");
    let mut found = Vec::new();
    // Those of heartbeats and announcements go with their consumers.
    let of_work = names.iter().filter(|queue| queue["auto_delete"] == false);
    for name in of_work.map(|queue| queue["name"].as_str().expect("a name")) {
        let take = BasicGetOptions { no_ack: true };
        while let Some(message) = channel.basic_get(name.into(), take).await.expect("the queue is there") {
            let kind = message.properties.kind().as_ref().map(ToString::to_string).unwrap_or_default();
            found.push(Found { queue: name.to_owned(), kind, body: message.data.clone() });
        }
    }
    connection.close(200, "done".into()).await.expect("closes");
    found
}
