//! Wire: just enough of the two protocols to know where a message ends and what it is.

use service_kit::topology::{CONTROL, HEARTBEATS};
use std::collections::HashSet;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Event on a connection that is worth waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The broker hands over a message.
    Deliver,
    /// A consumer acknowledges a message.
    Acknowledge,
    /// A sender sends a message.
    Publish,
    /// The broker confirms a message.
    Confirm,
    /// A transaction that wrote something is committed. (Emptying the outbox and heartbeats do not count: they come by the clock.)
    Commit,
}

/// Protocol that is spoken in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// AMQP 0-9-1 from a client.
    AmqpClient,
    /// AMQP 0-9-1 from a broker.
    AmqpServer,
    /// Postgres' protocol from a client.
    PostgresClient,
    /// Postgres' protocol from a server, of which nothing need be known.
    PostgresServer,
}

const AMQP_HEADER: usize = 8;
const AMQP_FRAME_HEADER: usize = 7;
const AMQP_METHOD: u8 = 1;
/// Class and method: basic.publish, basic.deliver, basic.ack.
const PUBLISH: [u8; 4] = [0, 60, 0, 40];
const DELIVER: [u8; 4] = [0, 60, 0, 60];
const ACK: [u8; 4] = [0, 60, 0, 80];
/// Postgres' requests for encryption, which are followed by the startup message.
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];
const LARGEST: usize = 64 << 20;

/// Cuts what it reads into messages.
pub struct Reader<R> {
    inner: R,
    speech: Speech,
    /// True once the untyped beginning is past.
    begun: bool,
    /// Prepared statements that write.
    writing: HashSet<Vec<u8>>,
    /// True once the transaction under way has written.
    wrote: bool,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads `speech` from `inner`.
    pub fn new(inner: R, speech: Speech) -> Self {
        let begun = speech == Speech::AmqpServer;
        Self { inner, speech, begun, writing: HashSet::new(), wrote: false }
    }

    /// The next message, as it was sent, and what it is.
    pub async fn next(&mut self) -> io::Result<(Vec<u8>, Option<Event>)> {
        match self.speech {
            Speech::AmqpClient | Speech::AmqpServer => self.amqp().await,
            Speech::PostgresClient => self.postgres().await,
            Speech::PostgresServer => {
                let mut some = vec![0; 64 << 10];
                let read = self.inner.read(&mut some).await?;
                some.truncate(read);
                if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok((some, None)) }
            }
        }
    }

    async fn amqp(&mut self) -> io::Result<(Vec<u8>, Option<Event>)> {
        if !self.begun {
            self.begun = true;
            let mut header = vec![0; AMQP_HEADER];
            self.inner.read_exact(&mut header).await?;
            return Ok((header, None));
        }
        let mut frame = vec![0; AMQP_FRAME_HEADER];
        self.inner.read_exact(&mut frame).await?;
        let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]) as usize;
        self.rest(&mut frame, size + 1).await?;
        let method = (frame[0] == AMQP_METHOD).then(|| frame.get(7..11)).flatten();
        let event = match (self.speech, method) {
            // Heartbeats and announcements come by the clock, and nothing hangs on them.
            _ if names(&frame, HEARTBEATS) || names(&frame, CONTROL) => None,
            (Speech::AmqpClient, Some(method)) if method == PUBLISH => Some(Event::Publish),
            (Speech::AmqpClient, Some(method)) if method == ACK => Some(Event::Acknowledge),
            (Speech::AmqpServer, Some(method)) if method == DELIVER => Some(Event::Deliver),
            (Speech::AmqpServer, Some(method)) if method == ACK => Some(Event::Confirm),
            _ => None,
        };
        Ok((frame, event))
    }

    async fn postgres(&mut self) -> io::Result<(Vec<u8>, Option<Event>)> {
        let mut message = vec![0; if self.begun { 5 } else { 4 }];
        self.inner.read_exact(&mut message).await?;
        let length = &message[message.len() - 4..];
        let size = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        // The length counts itself.
        self.rest(&mut message, size.saturating_sub(4)).await?;
        if !self.begun {
            let code = message.get(4..8).map(|code| u32::from_be_bytes([code[0], code[1], code[2], code[3]]));
            self.begun = !code.is_some_and(|code| ENCRYPTION.contains(&code));
            return Ok((message, None));
        }
        let event = self.statement(message[0], &message[5..]);
        Ok((message, event))
    }

    /// Follows what a transaction does: texts are parsed once and then bound by name.
    fn statement(&mut self, kind: u8, body: &[u8]) -> Option<Event> {
        let mut texts = body.split(|byte| *byte == 0);
        let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        match kind {
            b'P' if writes(second) => {
                self.writing.insert(first.to_owned());
            }
            b'P' => {
                self.writing.remove(first);
            }
            b'B' => self.wrote |= self.writing.contains(second),
            b'Q' if first.starts_with(b"COMMIT") => {
                return std::mem::take(&mut self.wrote).then_some(Event::Commit);
            }
            b'Q' => self.wrote = writes(first),
            _ => {}
        }
        None
    }

    async fn rest(&mut self, message: &mut Vec<u8>, size: usize) -> io::Result<()> {
        if size > LARGEST {
            return Err(io::Error::other(format!(
                "a message of {size} bytes: this is not {:?}",
                self.speech
            )));
        }
        let begin = message.len();
        message.resize(begin + size, 0);
        self.inner.read_exact(&mut message[begin..]).await?;
        Ok(())
    }
}

/// True if a frame of a method names this exchange.
fn names(frame: &[u8], exchange: &str) -> bool {
    frame[0] == AMQP_METHOD && frame.windows(exchange.len()).any(|part| part == exchange.as_bytes())
}

/// Statements that the clock causes, and not a recording that moves.
const BY_THE_CLOCK: [&str; 5] = [
    "DELETE FROM outbox",
    "INSERT INTO workers",
    "DELETE FROM workers",
    "INSERT INTO worker_chunks",
    "DELETE FROM worker_chunks",
];

fn writes(statement: &[u8]) -> bool {
    let begins = |verb: &str| statement.trim_ascii_start().starts_with(verb.as_bytes());
    ["INSERT", "UPDATE", "DELETE"].into_iter().any(begins) && !BY_THE_CLOCK.into_iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn events(speech: Speech, bytes: &[u8]) -> Vec<Option<Event>> {
        let (mut reader, mut events) = (Reader::new(bytes, speech), Vec::new());
        let mut passed = Vec::new();
        while let Ok((message, event)) = reader.next().await {
            events.push(event);
            passed.extend(message);
        }
        assert_eq!(passed, bytes, "something was lost on the way");
        events
    }

    #[tokio::test]
    async fn an_acknowledgement_is_seen_among_other_frames() {
        let frame = |kind: u8, payload: &[u8]| {
            let size = (payload.len() as u32).to_be_bytes();
            [&[kind, 0, 1], size.as_slice(), payload, &[0xce]].concat()
        };
        let ack = frame(1, &[ACK.as_slice(), &[0; 9]].concat());
        let client = [b"AMQP\0\0\x09\x01".to_vec(), frame(8, &[]), ack.clone(), frame(3, &ACK)].concat();
        assert_eq!(events(Speech::AmqpClient, &client).await, [None, None, Some(Event::Acknowledge), None]);
        assert_eq!(events(Speech::AmqpServer, &ack).await, [Some(Event::Confirm)]);
    }

    #[tokio::test]
    async fn heartbeats_are_no_messages_worth_waiting_for() {
        let publish = |exchange: &str| {
            let payload =
                [&PUBLISH, [0, 0, exchange.len() as u8].as_slice(), exchange.as_bytes(), &[0, 0]].concat();
            [&[1, 0, 1], (payload.len() as u32).to_be_bytes().as_slice(), &payload, &[0xce]].concat()
        };
        let client = [b"AMQP\0\0\x09\x01".to_vec(), publish(HEARTBEATS), publish("")].concat();
        assert_eq!(events(Speech::AmqpClient, &client).await, [None, None, Some(Event::Publish)]);
    }

    #[tokio::test]
    async fn a_commit_is_seen_behind_the_requests_that_open_a_connection() {
        let untyped = |code: u32| [8_u32.to_be_bytes(), code.to_be_bytes()].concat();
        let query = |text: &str| {
            let size = (text.len() as u32 + 5).to_be_bytes();
            [b"Q".as_slice(), &size, text.as_bytes(), b"\0"].concat()
        };
        let opening = [untyped(ENCRYPTION[0]), untyped(196_608)].concat();
        let written = [query("INSERT INTO t VALUES (1)"), query("COMMIT")].concat();
        let client = [opening, written, query("BEGIN"), query("SELECT 1"), query("COMMIT")].concat();
        let expected = [None, None, None, Some(Event::Commit), None, None, None];
        assert_eq!(events(Speech::PostgresClient, &client).await, expected);
    }

    #[tokio::test]
    async fn a_statement_that_was_prepared_before_counts_as_written_whenever_it_is_bound() {
        let message = |kind: &[u8], body: &[u8]| {
            let size = (body.len() as u32 + 4).to_be_bytes();
            [kind, &size, body].concat()
        };
        let startup = [8_u32.to_be_bytes(), 196_608_u32.to_be_bytes()].concat();
        let parse = message(b"P", b"s1\0UPDATE t SET x = $1\0\0\0");
        let (bind, commit) = (message(b"B", b"\0s1\0"), message(b"Q", b"COMMIT\0"));
        let client = [startup, parse, bind.clone(), commit.clone(), commit.clone(), bind, commit].concat();
        let found = events(Speech::PostgresClient, &client).await;
        assert_eq!(found, [None, None, None, Some(Event::Commit), None, None, Some(Event::Commit)]);
    }
}
