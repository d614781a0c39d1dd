//! Broker on a real RabbitMQ: a queue that comes into being ends nobody's connection.

use futures::future::join_all;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use service_kit::broker::{Broker, Depth};
use service_kit::messages::DecodeJob;
use service_kit::publisher::Publisher;
use service_kit::testing::Corner;
use service_kit::topology;
use uuid::Uuid;

/// Consumers of one process, as many as an ingest has for its decodings.
const CONSUMERS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_all_declare_a_new_queue_at_once_keep_their_connection() {
    let corner = Corner::open().await.expect("the servers of deploy/test run");
    let broker = Broker::new(&corner.amqp_url, "consumer");
    for round in 0..10 {
        let queue = topology::chunk_queue("new", &round.to_string());
        let channels = join_all((0..CONSUMERS).map(|_| broker.channel())).await;
        let channels: Vec<_> = channels.into_iter().map(|channel| channel.expect("opens")).collect();
        let consuming = channels.iter().map(async |channel| {
            broker.declare(channel, &queue).await?;
            let options = BasicConsumeOptions::default();
            channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await
        });
        for consumer in join_all(consuming).await {
            consumer.expect("is told that it consumes");
        }
    }
    broker.close().await;
    corner.close().await.expect("the corner is deleted");
}

#[tokio::test]
async fn what_is_on_a_queue_is_told_and_that_there_is_none() {
    let corner = Corner::open().await.expect("the servers of deploy/test run");
    let broker = Broker::new(&corner.amqp_url, "asker");
    assert_eq!(broker.depth(topology::DECODE).await.expect("answers"), None);
    let job = DecodeJob { recording: Uuid::now_v7(), run: 1 };
    Publisher::new(broker.clone()).publish(topology::DECODE, &job).await.expect("is confirmed");
    let found = broker.depth(topology::DECODE).await.expect("answers");
    assert_eq!(found, Some(Depth { messages: 1, consumers: 0 }));
    broker.close().await;
    corner.close().await.expect("the corner is deleted");
}
