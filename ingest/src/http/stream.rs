//! Stream: a connection whose client must go on taking what it asked for. One that does not read would hold its answer in
//! memory for ever.

use super::pace::{Pace, Patience};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A connection that ends with an error where its client takes nothing, or too little.
pub(crate) struct PatientStream<S> {
    inner: S,
    patience: Patience,
    pace: Pace,
    timer: Pin<Box<Sleep>>,
    waiting_since: Option<Instant>,
}

impl<S> PatientStream<S> {
    pub fn new(inner: S, patience: Patience) -> Self {
        let timer = Box::pin(sleep(patience.silence));
        Self { inner, patience, pace: Pace::new(patience), timer, waiting_since: None }
    }

    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
        bytes: impl Fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let Poll::Ready(done) = outcome else {
            if self.waiting_since.is_none() {
                let now = Instant::now();
                self.waiting_since = Some(now);
                self.timer.as_mut().reset(now + self.patience.silence);
            }
            ready!(self.timer.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        };
        let waited = self.waiting_since.take().map(|since| since.elapsed()).unwrap_or_default();
        let done = done.and_then(|value| {
            if self.pace.pass(bytes(&value) as u64, waited) {
                Ok(value)
            } else {
                Err(io::ErrorKind::TimedOut.into())
            }
        });
        Poll::Ready(done)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Reading has its own limits: for heads in the server, for bodies where they are read.
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PatientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.judge(context, outcome, |written| *written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(context, bytes);
        self.judge(context, outcome, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn patience(least: u64) -> Patience {
        Patience { silence: Duration::from_millis(60), least }
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (_client, server) = duplex(64);
        let mut server = PatientStream::new(server, patience(0));
        let error = server.write_all(&[0; 1000]).await.expect_err("is given up");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn so_is_one_that_takes_a_byte_now_and_then_but_not_one_that_is_only_slow() {
        for (least, ends) in [(1_000_000, true), (0, false)] {
            let (mut client, server) = duplex(8);
            let mut server = PatientStream::new(server, patience(least));
            let reading = tokio::spawn(async move {
                let mut byte = [0];
                while client.read_exact(&mut byte).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
            assert_eq!(server.write_all(&[0; 100]).await.is_err(), ends, "at least {least} bytes per second");
            reading.abort();
        }
    }
}
