//! Raw: bytes as a client of bad manners would send them.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for the server to answer, or to hang up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends `bytes` and returns everything that comes back until the server hangs up.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(bytes).await.expect("sends");
    until_closed(&mut stream).await
}

/// Everything that comes until the server hangs up.
pub async fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset has been hung up as well.
    let _ =
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server hangs up");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Status of the first answer in `text`.
pub fn status(text: &str) -> u16 {
    text.strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or_else(|| panic!("no answer: {text:?}"))
}

/// Number of answers in `text`.
pub fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

/// An upload of `body`, with these lines more in its head, after which the connection ends.
pub fn upload(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /v1/recordings HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}
