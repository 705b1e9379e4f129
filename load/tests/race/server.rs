//! A small HTTP/1.1 server on a raw socket, which can also close a connection in the middle of an answer.

use std::{collections::HashMap, future::Future, sync::Arc, sync::Mutex, time::Duration};

use openrun_load::{NoProgress, RaceConfig, RaceReport, Target, race};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

pub(crate) const COUPON: &str = "spring";

/// The reaction of a server to a request.
pub(crate) enum Reaction {
    Answer { status: u16, headers: &'static str, body: String },
    IncompleteAnswer,
    CloseConnection,
    NeverAnswer,
}

impl Reaction {
    pub(crate) fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::with_headers(status, "", body)
    }

    /// `headers` are whole lines, each with its line end.
    pub(crate) fn with_headers(status: u16, headers: &'static str, body: impl Into<String>) -> Self {
        Self::Answer { status, headers, body: body.into() }
    }

    pub(crate) fn issued(status: u16, member: &str, sequence: u32, code: &str) -> Self {
        let body = serde_json::json!({
            "coupon_id": COUPON, "member_id": member, "sequence": sequence, "code": code,
            "status": "issued", "issued_at": "2026-11-20T10:00:00Z", "ack": "granted",
        });
        Self::answer(status, body.to_string())
    }

    pub(crate) fn sold_out() -> Self {
        Self::answer(409, r#"{"title":"Sold out","status":409,"code":"sold_out"}"#)
    }
}

/// The way in which a server handles a member's request.
pub(crate) trait IssueHandler: Send + Sync + 'static {
    fn issue(&self, member: &str) -> impl Future<Output = Reaction> + Send;
}

/// The correct way: dense sequences, one for each member, and no more than the total.
pub(crate) struct CorrectServer {
    total: usize,
    sequences: Mutex<HashMap<String, u32>>,
}

impl CorrectServer {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, sequences: Mutex::default() }
    }

    /// The member's sequence and whether it is new, or `None` when all are issued.
    pub(crate) fn enter(&self, member: &str) -> Option<(u32, bool)> {
        let mut sequences = self.sequences.lock().expect("no test panics while it holds the lock");
        if let Some(&existing) = sequences.get(member) {
            return Some((existing, false));
        }
        let next = u32::try_from(sequences.len() + 1).expect("a test has few members");
        (sequences.len() < self.total).then(|| {
            sequences.insert(member.to_owned(), next);
            (next, true)
        })
    }

    pub(crate) fn react(&self, member: &str) -> Reaction {
        match self.enter(member) {
            Some((sequence, true)) => Reaction::issued(201, member, sequence, &code(sequence)),
            Some((sequence, false)) => Reaction::issued(200, member, sequence, &code(sequence)),
            None => Reaction::sold_out(),
        }
    }
}

impl IssueHandler for CorrectServer {
    async fn issue(&self, member: &str) -> Reaction {
        self.react(member)
    }
}

/// Counts requests, for servers that handle the first one differently.
#[derive(Default)]
pub(crate) struct RequestCounter(Mutex<HashMap<String, u32>>);

impl RequestCounter {
    /// The number of requests of the member, this one included.
    pub(crate) fn count(&self, member: &str) -> u32 {
        let mut counts = self.0.lock().expect("no test panics while it holds the lock");
        let count = counts.entry(member.to_owned()).or_default();
        *count += 1;
        *count
    }
}

pub(crate) fn code(sequence: u32) -> String {
    format!("CODE-{sequence}")
}

/// Starts a server that lives as long as the test's runtime.
pub(crate) async fn start(handler: impl IssueHandler) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let target = Target::from(listener.local_addr().expect("it was just bound"));
    let handler = Arc::new(handler);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client may disconnect at any time, which is no failure of the server.
            tokio::spawn(serve(stream, Arc::clone(&handler)));
        }
    });
    target
}

/// A race with few clients and short delays.
pub(crate) fn config(target: Target, members: u64) -> RaceConfig {
    let mut config = RaceConfig::new(target, COUPON, members);
    config.clients = 16;
    config.retry.attempts = 10;
    config.retry.backoff = Duration::from_millis(1);
    config.retry.backoff_cap = Duration::from_millis(5);
    config
}

pub(crate) async fn run(config: RaceConfig) -> RaceReport {
    race::run(config, &NoProgress).await.expect("the race can be run")
}

async fn serve(stream: TcpStream, handler: Arc<impl IssueHandler>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first_line = String::new();
        if stream.read_line(&mut first_line).await? == 0 {
            return Ok(());
        }
        let body = read_body(&mut stream).await?;
        let reaction = if first_line.starts_with(&format!("GET /v1/coupons/{COUPON} ")) {
            Reaction::answer(200, r#"{"id":"spring","total":10,"state":"open"}"#)
        } else if first_line.starts_with(&format!("POST /v1/coupons/{COUPON}/issuances ")) {
            let request: serde_json::Value = serde_json::from_slice(&body)?;
            handler.issue(request["member_id"].as_str().unwrap_or_default()).await
        } else {
            Reaction::answer(404, r#"{"code":"not_found"}"#)
        };
        match reaction {
            Reaction::Answer { status, headers, body } => {
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
                stream.write_all(answer.as_bytes()).await?;
                if headers.contains("connection: close") {
                    return Ok(());
                }
            }
            Reaction::IncompleteAnswer => {
                return stream.write_all(b"HTTP/1.1 201 X\r\ncontent-length: 99\r\n\r\n{\"seq").await;
            }
            Reaction::CloseConnection => return Ok(()),
            Reaction::NeverAnswer => std::future::pending().await,
        }
    }
}

async fn read_body(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}
