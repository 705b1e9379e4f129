//! A node that does what no real one would do at will: hold, hang up, or tell what it was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What it does with a request that has come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers 201.
    Answer,
    /// Hangs up without a word.
    HangUp,
    /// Answers when it is released.
    Hold,
    /// Begins a stream of events, and sends the next one when it is released.
    Stream,
}

/// A listener that keeps what it was asked.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    release: watch::Sender<bool>,
    listener: JoinHandle<()>,
}

impl Upstream {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (release, released) = watch::channel(false);
        let kept = Arc::clone(&requests);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let listener = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, manner, Arc::clone(&kept), released.clone()));
            }
        });
        Self { address, requests, connections, release, listener }
    }

    /// Everything it was asked so far, headers in lower case.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.requests.lock().expect("nobody panics with it").clone()
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Lets everything go on that is held.
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
    manner: Manner,
    kept: Arc<Mutex<Vec<String>>>,
    mut released: watch::Receiver<bool>,
) {
    while let Some(request) = read(&mut stream).await {
        kept.lock().expect("nobody panics with it").push(request);
        let written = match manner {
            Manner::HangUp => return,
            Manner::Answer => answer(&mut stream).await,
            Manner::Hold => {
                released.wait_for(|released| *released).await.ok();
                answer(&mut stream).await
            }
            Manner::Stream => {
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

/// The next request of a connection, headers in lower case; nothing at its end.
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
