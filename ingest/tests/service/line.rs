//! Line: the way from an ingest to its database, which a test can hold up at a statement, or cut where the answer to a commit would
//! come back.
//!
//! A statement's text passes once on each connection, when it is prepared; so a plan is for one that this ingest has not made yet.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

const PATIENCE: Duration = Duration::from_secs(60);
/// The end of a transaction, as it passes.
const COMMIT: &[u8] = b"COMMIT\0";

/// Event that is planned for the line, once.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Plan {
    #[default]
    Nothing,
    /// Nothing passes any more from where this is said.
    Hold(&'static str),
    /// The transaction in which this is said is committed, and its connection lost before the answer.
    Lose(&'static str),
}

#[derive(Default)]
struct Shared {
    plan: Mutex<Plan>,
    held: watch::Sender<bool>,
}

/// A line to a database; what goes over it breaks off when it is dropped.
pub struct Line {
    /// Address of the database over this line.
    pub url: String,
    shared: Arc<Shared>,
    carrying: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

impl Line {
    pub async fn to(database: &str) -> Self {
        let mut url = Url::parse(database).expect("an address");
        let behind = (url.host_str().expect("a host").to_owned(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("an address").port();
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(port)).expect("a port");
        // What is said must be readable.
        url.query_pairs_mut().append_pair("sslmode", "disable");
        let shared = Arc::new(Shared::default());
        let carried = shared.clone();
        let carrying = tokio::spawn(async move {
            // All go with the line.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (shared, behind) = (carried.clone(), behind.clone());
                connections.spawn(async move {
                    let server = TcpStream::connect(behind).await?;
                    shared.carry(client, server).await
                });
            }
        });
        Self { url: url.into(), shared, carrying }
    }

    fn plan(&self, plan: Plan) {
        *self.shared.plan.lock().expect("is whole") = plan;
    }

    /// Nothing passes any more from the statement on that has `text` in it.
    pub fn holds_at(&self, text: &'static str) {
        self.plan(Plan::Hold(text));
    }

    /// Returns once nothing passes any more.
    pub async fn held(&self) {
        let mut held = self.shared.held.subscribe();
        let waiting = held.wait_for(|held| *held);
        tokio::time::timeout(PATIENCE, waiting).await.expect("the statement is made").expect("is there");
    }

    /// All passes again.
    pub fn goes_on(&self) {
        self.shared.held.send_replace(false);
    }

    /// The next transaction with a statement that has `text` in it is committed, and its connection lost before the answer.
    pub fn loses_the_commit_of(&self, text: &'static str) {
        self.plan(Plan::Lose(text));
    }

    /// True once the plan has happened.
    pub fn is_done(&self) -> bool {
        *self.shared.plan.lock().expect("is whole") == Plan::Nothing
    }
}

impl Shared {
    async fn carry(&self, mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
        let (mut said, mut answer) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        let mut in_the_transaction = false;
        loop {
            tokio::select! {
                bytes = client.read(&mut said) => {
                    let said = &said[..bytes?];
                    if said.is_empty() {
                        return Ok(());
                    }
                    let loses = self.plan_of(said, &mut in_the_transaction);
                    // It is a line that is there as long as this is.
                    let _ = self.held.subscribe().wait_for(|held| !held).await;
                    server.write_all(said).await?;
                    if loses {
                        // Committed, now that there is an answer.
                        server.read_u8().await?;
                        return Ok(());
                    }
                }
                bytes = server.read(&mut answer) => {
                    let answer = &answer[..bytes?];
                    if answer.is_empty() {
                        return Ok(());
                    }
                    client.write_all(answer).await?;
                }
            }
        }
    }

    /// Looks at what is `said`; whether its answer is to be lost.
    fn plan_of(&self, said: &[u8], in_the_transaction: &mut bool) -> bool {
        let has = |text: &[u8]| said.windows(text.len()).any(|part| part == text);
        let mut plan = self.plan.lock().expect("is whole");
        match *plan {
            Plan::Hold(text) if has(text.as_bytes()) => {
                *plan = Plan::Nothing;
                self.held.send_replace(true);
                false
            }
            Plan::Lose(text) => {
                *in_the_transaction |= has(text.as_bytes());
                let loses = *in_the_transaction && has(COMMIT);
                if loses {
                    *plan = Plan::Nothing;
                }
                loses
            }
            Plan::Hold(_) | Plan::Nothing => false,
        }
    }
}
