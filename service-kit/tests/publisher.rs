//! Publisher on a real broker: what is sent while its queue comes into being, or after it was deleted, arrives.

use futures::future::join_all;
use lapin::options::QueueDeleteOptions;
use service_kit::broker::Broker;
use service_kit::messages::DecodeJob;
use service_kit::publisher::Publisher;
use service_kit::testing::Corner;
use service_kit::topology;
use uuid::Uuid;

fn job() -> DecodeJob {
    DecodeJob { recording: Uuid::now_v7(), run: 1 }
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_that_all_declare_a_new_queue_at_once_are_all_confirmed() {
    for _ in 0..3 {
        let corner = Corner::open().await.expect("the servers of deploy/test run");
        let brokers: Vec<Broker> = (0..24).map(|_| Broker::new(&corner.amqp_url, "sender")).collect();
        // Connected first, so that they meet at the declaration.
        let channels = join_all(brokers.iter().map(Broker::channel)).await;
        channels.into_iter().for_each(|channel| drop(channel.expect("connects")));
        let sent = brokers.iter().map(|broker| async {
            Publisher::new(broker.clone()).publish(topology::MATCH, &job()).await.expect("is confirmed");
        });
        join_all(sent).await;
        for broker in brokers {
            broker.close().await;
        }
        corner.close().await.expect("the corner is deleted");
    }
}

#[tokio::test]
async fn a_queue_deleted_behind_the_senders_back_is_declared_again() {
    let corner = Corner::open().await.expect("the servers of deploy/test run");
    let broker = Broker::new(&corner.amqp_url, "sender");
    let publisher = Publisher::new(broker.clone());
    publisher.publish(topology::MATCH, &job()).await.expect("is confirmed");
    let channel = broker.channel().await.expect("connects");
    channel.queue_delete(topology::MATCH.into(), QueueDeleteOptions::default()).await.expect("is deleted");
    publisher.publish(topology::MATCH, &job()).await.expect("is confirmed");
    broker.close().await;
    corner.close().await.expect("the corner is deleted");
}
