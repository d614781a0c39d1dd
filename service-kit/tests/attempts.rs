//! Attempts on a real broker: a reject, a hang, a lost connection and a death all count, in any mixture, and the fifth is the last.

use lapin::options::BasicGetOptions;
use lapin::types::{AMQPValue, FieldTable};
use service_kit::attempts::History;
use service_kit::broker::Broker;
use service_kit::budget::Budget;
use service_kit::consumer::{self, Subscription};
use service_kit::delivery::Delivery;
use service_kit::messages::DecodeJob;
use service_kit::pauses::Pauses;
use service_kit::publisher::Publisher;
use service_kit::shutdown::Shutdown;
use service_kit::surroundings::Surroundings;
use service_kit::testing::Corner;
use service_kit::topology;
use service_kit::verdict::Verdict;
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;
use uuid::Uuid;

const QUEUE: &str = topology::DECODE;
const PATIENCE: Duration = Duration::from_secs(120);

/// Failure that ends an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The handler says no.
    Fails,
    /// The handler never says anything.
    Hangs,
    /// The connection breaks while the handler works.
    LosesConnection,
    /// The process ends while the handler works.
    Dies,
}

use Fate::{Dies, Fails, Hangs, LosesConnection};

/// A line to the broker that can be cut.
struct Line {
    amqp_url: Url,
    carried: Arc<Mutex<JoinSet<()>>>,
    listening: JoinHandle<()>,
}

impl Line {
    async fn to(amqp_url: &str) -> Self {
        let mut url = Url::parse(amqp_url).expect("an address");
        let server: SocketAddr = url.socket_addrs(|| Some(5672)).expect("is known")[0];
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("an address");
        url.set_ip_host(here.ip()).expect("is a host");
        url.set_port(Some(here.port())).expect("is a port");
        let carried: Arc<Mutex<JoinSet<()>>> = Arc::default();
        let all = Arc::clone(&carried);
        let listening = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                all.lock().await.spawn(async move {
                    let mut server = TcpStream::connect(server).await.expect("the broker is there");
                    // Either side may end it as it likes.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { amqp_url: url, carried, listening }
    }

    /// Returns once nothing that is said on it arrives any more; who comes after that has a line again.
    async fn cut(&self) {
        self.carried.lock().await.shutdown().await;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A queue with one message, whose attempts end as `fates` says, over as many processes as that takes.
struct Bench {
    corner: Corner,
    line: Line,
    fates: Vec<Fate>,
    tried: Cell<usize>,
}

impl Bench {
    async fn open(fates: &[Fate]) -> Self {
        let corner = Corner::open().await.expect("the servers of deploy/test run");
        let broker = Broker::new(&corner.amqp_url, "sender");
        let job = DecodeJob { recording: Uuid::now_v7(), run: 1 };
        Publisher::new(broker.clone()).publish(QUEUE, &job).await.expect("is confirmed");
        broker.close().await;
        let line = Line::to(&corner.amqp_url).await;
        Self { corner, line, fates: fates.to_vec(), tried: Cell::new(0) }
    }

    /// Runs one process until it dies of the message, or the message is dead.
    async fn process(&self) {
        let broker = Broker::new(self.line.amqp_url.as_str(), "tester");
        let subscription = Subscription {
            queue: QUEUE.to_owned(),
            budget: Budget::of(&[]).expect("fits"),
            surroundings: Surroundings::default(),
            pauses: Pauses::none(),
            sends_on: false,
        };
        let (shutdown, deadly) = (Shutdown::default(), Notify::new());
        let handler = async |_: Delivery| {
            let attempt = self.tried.replace(self.tried.get() + 1);
            match self.fates.get(attempt) {
                Some(Fails) => Verdict::Retry(format!("attempt {} failed", attempt + 1)),
                Some(Hangs) => std::future::pending().await,
                Some(LosesConnection) => {
                    self.line.cut().await;
                    // What it did counts for nothing: it cannot say so any more.
                    Verdict::Done
                }
                Some(Dies) => {
                    deadly.notify_one();
                    std::future::pending().await
                }
                None => Verdict::Done,
            }
        };
        tokio::select! {
            () = consumer::run(&broker, &subscription, &shutdown, handler) => {}
            () = deadly.notified() => {}
            () = self.dead() => {}
        }
        // Without a word about the message.
        broker.close().await;
    }

    /// Returns once the message is dead.
    async fn dead(&self) {
        let broker = Broker::new(&self.corner.amqp_url, "looker");
        // A broker closes the connection of whoever asks for a queue that another one is making.
        while !look(&broker).await.unwrap_or(false) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        broker.close().await;
    }

    /// Runs processes, one after the other, until the message is dead; then the headers of its letter.
    async fn until_dead(&self) -> FieldTable {
        let all = async {
            let broker = Broker::new(&self.corner.amqp_url, "looker");
            loop {
                self.process().await;
                let channel = broker.channel().await.expect("a channel");
                topology::declare(&channel, topology::DEAD).await.expect("declares");
                let take = BasicGetOptions { no_ack: true };
                if let Some(letter) = channel.basic_get(topology::DEAD.into(), take).await.expect("answers") {
                    broker.close().await;
                    return letter.properties.headers().clone().expect("has headers");
                }
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("it dies at last")
    }
}

/// True where there is a dead letter. It is looked at and not taken: it goes back with the channel.
async fn look(broker: &Broker) -> lapin::Result<bool> {
    let channel = broker.channel().await?;
    topology::declare(&channel, topology::DEAD).await?;
    let found = channel.basic_get(topology::DEAD.into(), BasicGetOptions::default()).await?.is_some();
    channel.close(200, "looked".into()).await?;
    Ok(found)
}

fn text(headers: &FieldTable, key: &str) -> String {
    match headers.inner().get(key) {
        Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        other => panic!("{key}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reject_a_hang_a_lost_connection_and_deaths_are_five_attempts() {
    let bench = Bench::open(&[Fails, Hangs, LosesConnection, Dies, Dies]).await;
    let headers = bench.until_dead().await;
    assert_eq!(bench.tried.get(), 5, "it was tried so many times");
    let history = History::from_header(&text(&headers, "x-throughline-attempts"));
    let reasons: Vec<&str> = history.attempts().iter().map(|attempt| attempt.reason.as_str()).collect();
    let without_a_word = "ended without a word: the process died or lost its connection";
    assert_eq!(
        reasons,
        ["attempt 1 failed", "it took longer than 10 s", without_a_word, without_a_word, without_a_word]
    );
    assert_eq!(text(&headers, "x-throughline-queue"), QUEUE);
    assert!(text(&headers, "x-throughline-reason").starts_with("gave up after 5 attempts"));
    bench.corner.close().await.expect("the corner is deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_deaths_in_a_row_are_counted_by_the_broker_alone() {
    let bench = Bench::open(&[Dies; 9]).await;
    let headers = bench.until_dead().await;
    assert_eq!(bench.tried.get(), 5, "it was tried so many times");
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else { panic!("{headers:?}") };
    let [AMQPValue::FieldTable(death)] = deaths.as_slice() else { panic!("{deaths:?}") };
    assert_eq!((text(death, "reason").as_str(), text(death, "queue").as_str()), ("delivery_limit", QUEUE));
    bench.corner.close().await.expect("the corner is deleted");
}
