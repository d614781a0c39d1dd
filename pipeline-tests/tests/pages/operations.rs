//! Operations: an operator mends what has failed.

use crate::passes;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicGetOptions, BasicRejectOptions};
use lapin::{Channel, Connection, ConnectionProperties};
use pipeline_tests::eventually::eventually;
use pipeline_tests::{Stack, oracle};
use service_kit::topology;
use uuid::Uuid;

/// A recording whose only chunk is thrown away as a broker throws away what nobody could do.
async fn failed(stack: &mut Stack) -> Uuid {
    let options = [("labels", "interview"), ("chunk_blocks", "20")];
    let id = stack.submit(&oracle::sample("interview_3min.opus"), &options).await;
    let recording = stack.recording_when(id, "is decoded", |it| it["chunks"]["total"].is_number()).await;
    let text = |name: &str| recording[name].as_str().expect("text").to_owned();
    let queue = topology::chunk_queue(&text("model_version"), &text("configuration"));
    let (connection, _channel, job) =
        eventually("the job is on its queue", async || first_of(stack.amqp_url(), &queue).await).await;
    job.delivery.acker.reject(BasicRejectOptions { requeue: false }).await.expect("is rejected");
    connection.close(200, "done".into()).await.expect("closes");
    stack.recording_when(id, "fails", |it| it["state"] == "failed").await;
    id
}

/// First message of `queue`, with its own connection and channel; `None` where there is none. The first job declares its queue, and a
/// broker closes the connection of a client that asks for one that is not quite made. The message goes back when its channel is dropped.
async fn first_of(amqp_url: &str, queue: &str) -> Option<(Connection, Channel, BasicGetMessage)> {
    let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await.expect("connects");
    let channel = connection.create_channel().await.expect("a channel");
    let message = channel.basic_get(queue.into(), BasicGetOptions::default()).await.ok().flatten()?;
    Some((connection, channel, message))
}

/// An hour that was, made up: five busy minutes in ten, and some in the middle in which nobody looked.
async fn an_hour(stack: &Stack) {
    let samples = "INSERT INTO operations_samples
         SELECT date_trunc('minute', now()) - make_interval(mins => n), 600.0 * (n % 10), 20.0 * (n / 5 % 2), 1 + n / 30
         FROM generate_series(1, 58) n WHERE n NOT BETWEEN 25 AND 31";
    sqlx::query(samples).execute(&stack.pool).await.expect("inserts");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_look_at_the_board_replay_drop_pause_and_cancel() {
    let mut stack = Stack::start(0, 1, 1).await;
    an_hour(&stack).await;
    // The one that is dropped, and then the one that is replayed.
    failed(&mut stack).await;
    let id = failed(&mut stack).await;
    stack.start_worker();
    passes(&stack, "operations.test.mjs", &[("THROUGHLINE_FAILED", id.to_string())]).await;
    stack.stop().await;
}
