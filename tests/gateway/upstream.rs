//! A fake node that can hold requests, hang up, and record the requests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The reaction to a complete request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// Answers 201.
    Answer,
    /// Closes the connection without a response.
    HangUp,
    /// Answers 201 after the release.
    Hold,
    /// Begins a stream of events, and sends the next event after the release.
    Stream,
}

/// A listener that records its requests.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    release: watch::Sender<bool>,
    listener: JoinHandle<()>,
}

impl Upstream {
    pub(crate) async fn start(behavior: Behavior) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (release, released) = watch::channel(false);
        let recorded = Arc::clone(&requests);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let listener = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, behavior, Arc::clone(&recorded), released.clone()));
            }
        });
        Self { address, requests, connections, release, listener }
    }

    /// The headers of all requests so far, in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("a lock that is not poisoned").clone()
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Releases all held requests and streams.
    pub(crate) fn release(&self) {
        self.release.send_replace(true);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    behavior: Behavior,
    recorded: Arc<Mutex<Vec<String>>>,
    mut released: watch::Receiver<bool>,
) {
    while let Some(request) = read(&mut stream).await {
        recorded.lock().expect("a lock that is not poisoned").push(request);
        let written = match behavior {
            Behavior::HangUp => return,
            Behavior::Answer => answer(&mut stream).await,
            Behavior::Hold => {
                released.wait_for(|released| *released).await.ok();
                answer(&mut stream).await
            }
            Behavior::Stream => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: first\n\n";
                stream.write_all(head).await.ok();
                released.wait_for(|released| *released).await.ok();
                stream.write_all(b"data: second\n\n").await.ok();
                return;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

async fn answer(stream: &mut TcpStream) -> std::io::Result<()> {
    stream
        .write_all(b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        .await
}

/// The headers of the next request of a connection, in lower case; `None` at its end.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0_usize) {
                return Some(head);
            }
        }
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(count @ 1..) => bytes.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}
