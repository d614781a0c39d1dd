//! Proxy: stands between one process and one server, and breaks their connection at a chosen message.

use super::wire::{Event, Reader, Speech};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

/// Longest wait of the proxy for its own connection to the server.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Manner in which a trap holds what it catches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Not at all: it only tells.
    Nothing,
    /// The message itself, until it is let go.
    Message,
    /// The answer to it; the message has reached the server and is done.
    Answer,
}

struct Trap {
    event: Event,
    hold: Hold,
    caught: oneshot::Sender<Caught>,
}

/// A message in a trap. Dropped, it breaks the connection.
pub struct Caught(Option<oneshot::Sender<()>>);

impl Caught {
    /// Lets the message go on as if nothing had happened.
    pub fn let_go(mut self) {
        if let Some(go) = self.0.take() {
            let _ = go.send(());
        }
    }
}

struct Shared {
    trap: Mutex<Option<Trap>>,
    silent: watch::Sender<bool>,
    broken: watch::Sender<u64>,
}

/// A listening proxy; it ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and passes everything on to `server`, where `client` and `server_speech` are spoken.
    pub async fn before(server: SocketAddr, speeches: (Speech, Speech)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            trap: Mutex::new(None),
            silent: watch::Sender::new(false),
            broken: watch::Sender::new(0),
        });
        let of_all = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, speeches, Arc::clone(&of_all)));
            }
        });
        Self { address, shared, listening }
    }

    /// Address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets a trap for the next `event`, in place of the one before, and waits for it; `None` where nothing comes within
    /// `patience`.
    pub async fn catch(&self, event: Event, hold: Hold, patience: Duration) -> Option<Caught> {
        let (sender, caught) = oneshot::channel();
        *self.trap() = Some(Trap { event, hold, caught: sender });
        let found = tokio::time::timeout(patience, caught).await;
        if found.is_err() {
            *self.trap() = None;
        }
        found.ok()?.ok()
    }

    fn trap(&self) -> MutexGuard<'_, Option<Trap>> {
        self.shared.trap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing passes, and neither end is told; or everything does again.
    pub fn be_silent(&self, silent: bool) {
        self.shared.silent.send_replace(silent);
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        self.shared.broken.send_modify(|times| *times += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

/// State that the two directions of one connection share.
#[derive(Default)]
struct Pair {
    /// Answers are held from now on.
    held: AtomicBool,
    answered: Notify,
}

async fn carry(client: TcpStream, server: SocketAddr, speeches: (Speech, Speech), shared: Arc<Shared>) {
    let mut broken = shared.broken.subscribe();
    broken.mark_unchanged();
    // A server that is away looks to the client like one that hangs up at once.
    let Ok(Ok(server)) = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(server)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let pair = Pair::default();
    tokio::select! {
        () = pass(Reader::new(from_client, speeches.0), to_server, &shared, &pair) => {}
        () = pass(Reader::new(from_server, speeches.1), to_client, &shared, &pair) => {}
        _ = broken.changed() => {}
    }
}

/// Passes messages on until an end hangs up, or a trap breaks the connection.
async fn pass<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    mut from: Reader<R>,
    mut to: W,
    shared: &Shared,
    pair: &Pair,
) {
    let mut silent = shared.silent.subscribe();
    while let Ok((message, event)) = from.next().await {
        let _ = silent.wait_for(|silent| !silent).await;
        if pair.held.load(Ordering::SeqCst) {
            pair.answered.notify_one();
            return std::future::pending().await;
        }
        let trap = event.and_then(|event| take(shared, event));
        let (go, wait) = oneshot::channel();
        match trap {
            None => {}
            Some(Trap { hold: Hold::Nothing, caught, .. }) => {
                let _ = caught.send(Caught(Some(go)));
            }
            Some(Trap { hold: Hold::Message, caught, .. }) => {
                let cut = caught.send(Caught(Some(go))).is_ok() && wait.await.is_err();
                if cut {
                    return;
                }
            }
            Some(Trap { hold: Hold::Answer, caught, .. }) => {
                pair.held.store(true, Ordering::SeqCst);
                if to.write_all(&message).await.is_err() {
                    return;
                }
                pair.answered.notified().await;
                let _ = caught.send(Caught(Some(go)));
                // There is no going on: the answer is lost.
                let _ = wait.await;
                return;
            }
        }
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}

fn take(shared: &Shared, event: Event) -> Option<Trap> {
    let mut trap = shared.trap.lock().unwrap_or_else(PoisonError::into_inner);
    if trap.as_ref().is_some_and(|trap| trap.event == event && !trap.caught.is_closed()) {
        trap.take()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn query(text: &str) -> Vec<u8> {
        let size = (text.len() as u32 + 5).to_be_bytes();
        [b"Q".as_slice(), &size, text.as_bytes(), b"\0"].concat()
    }

    /// A server that answers every byte with the same byte, and a client behind a proxy, past the opening of a connection.
    async fn scene() -> (Proxy, TcpStream) {
        let echo = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = echo.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let proxy = Proxy::before(server, (Speech::PostgresClient, Speech::PostgresServer)).await;
        let mut client = TcpStream::connect(proxy.address()).await.expect("connects");
        let opening = [8_u32.to_be_bytes(), 196_608_u32.to_be_bytes()].concat();
        client.write_all(&opening).await.expect("writes");
        client.read_exact(&mut [0; 8]).await.expect("is echoed");
        let mut written = query("INSERT INTO t VALUES (1)");
        client.write_all(&written).await.expect("writes");
        client.read_exact(&mut written).await.expect("is echoed");
        (proxy, client)
    }

    #[tokio::test]
    async fn what_is_held_reaches_the_server_only_when_it_is_let_go() {
        let (proxy, mut client) = scene().await;
        let (caught, sent) = tokio::join!(proxy.catch(Event::Commit, Hold::Message, PATIENCE), async {
            client.write_all(&query("COMMIT")).await
        });
        sent.expect("writes");
        let mut answer = vec![0; query("COMMIT").len()];
        let early = tokio::time::timeout(Duration::from_millis(50), client.read_exact(&mut answer)).await;
        assert!(early.is_err(), "it was not held");
        caught.expect("is caught").let_go();
        client.read_exact(&mut answer).await.expect("is echoed");
        assert_eq!(answer, query("COMMIT"));
    }

    #[tokio::test]
    async fn an_answer_that_is_held_never_comes_and_the_connection_breaks() {
        let (proxy, mut client) = scene().await;
        let (caught, sent) = tokio::join!(proxy.catch(Event::Commit, Hold::Answer, PATIENCE), async {
            client.write_all(&query("COMMIT")).await
        });
        sent.expect("writes");
        drop(caught.expect("is caught"));
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "the answer came");
    }

    #[tokio::test]
    async fn a_silent_proxy_passes_nothing_and_then_all_of_it() {
        let (proxy, mut client) = scene().await;
        proxy.be_silent(true);
        client.write_all(&query("SELECT 1")).await.expect("writes");
        let mut answer = vec![0; query("SELECT 1").len()];
        let early = tokio::time::timeout(Duration::from_millis(50), client.read_exact(&mut answer)).await;
        assert!(early.is_err(), "it was not silent");
        proxy.be_silent(false);
        client.read_exact(&mut answer).await.expect("is echoed");
        proxy.cut();
        assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    }
}
