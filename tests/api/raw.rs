//! A client that can send any bytes at any pace.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::arrange::Answer;

/// Limit for an answer and for closing, above the node's own limits for slow clients.
const CLOSE_BOUND: Duration = Duration::from_secs(30);

/// One connection.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: TcpStream,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("the node accepts connections") }
    }

    /// Writes the bytes. Returns whether the connection is still open.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Reads until the node closes the connection. Returns the response, if there is one.
    pub(crate) async fn until_closed(mut self) -> Option<Answer> {
        let mut bytes = Vec::new();
        let end = timeout(CLOSE_BOUND, self.stream.read_to_end(&mut bytes)).await;
        // A reset closes the connection as well.
        assert!(end.is_ok(), "the node keeps the connection: {:?}", String::from_utf8_lossy(&bytes));
        parse(&bytes)
    }

    /// Waits for the interim response to `Expect: 100-continue`, which the node sends when it waits for the body.
    pub(crate) async fn until_continue(&mut self) {
        const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut interim = [0; GO_ON.len()];
        let read = timeout(CLOSE_BOUND, self.stream.read_exact(&mut interim)).await;
        read.expect("the node answers in time").expect("the connection is open");
        assert_eq!(interim, GO_ON, "{:?}", String::from_utf8_lossy(&interim));
    }

    /// Reads one response of a connection that stays open.
    pub(crate) async fn one_answer(&mut self) -> Answer {
        let mut bytes = Vec::new();
        let complete = async {
            loop {
                if let Some(answer) = parse(&bytes)
                    && answer.header("content-length").parse() == Ok(answer.body.len())
                {
                    return answer;
                }
                let mut buffer = [0; 4096];
                let length = self.stream.read(&mut buffer).await.expect("the connection is open");
                assert!(length > 0, "closed in the middle: {:?}", String::from_utf8_lossy(&bytes));
                bytes.extend_from_slice(&buffer[..length]);
            }
        };
        timeout(CLOSE_BOUND, complete).await.expect("the node answers in time")
    }
}

/// Sends one request on a new connection, which the node closes after the response.
pub(crate) async fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> Option<Answer> {
    let mut raw = Raw::connect(address).await;
    raw.write(request.as_ref()).await;
    raw.until_closed().await
}

/// The head of a request with `Connection: close`, up to the empty line.
pub(crate) fn head(method: &str, path: &str, headers: &[&str]) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let mut lines = text.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Answer { status, headers, body: bytes[split + 4..].to_vec() })
}
