//! Each mode of the proxy, in front of an echo server.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::proxy::{Mode, Proxy};

/// Longer than any local round trip, and short enough to wait for a reply that must not come.
const SILENCE: Duration = Duration::from_millis(300);
const BOUND: Duration = Duration::from_secs(10);

struct Echo {
    port: u16,
    received_bytes: Arc<AtomicU64>,
}

async fn echo() -> Echo {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    let received_bytes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&received_bytes);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    counter.fetch_add(length as u64, Ordering::SeqCst);
                    stream.write_all(&buffer[..length]).await.ok();
                }
            });
        }
    });
    Echo { port, received_bytes }
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("the proxy accepts")
}

async fn reply(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 5];
    timeout(BOUND, stream.read_exact(&mut buffer)).await.expect("in time").expect("a reply");
    String::from_utf8_lossy(&buffer).into_owned()
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(SILENCE, stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn data_passes_in_both_directions() {
    let proxy = Proxy::start(echo().await.port).await;
    let mut stream = connect(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(reply(&mut stream).await, "hello");
    // The end of a stream passes too.
    stream.shutdown().await.unwrap();
    assert_eq!(timeout(BOUND, stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn cut_closes_open_connections_and_refuses_new_ones_until_pass() {
    let proxy = Proxy::start(echo().await.port).await;
    let mut stream = connect(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(reply(&mut stream).await, "hello");

    proxy.set(Mode::Cut).await;
    let end = timeout(BOUND, stream.read(&mut [0; 1])).await.expect("the connection ends");
    assert!(matches!(end, Ok(0) | Err(_)), "got {end:?}");
    let refused = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect_err("it refuses");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    proxy.set(Mode::Pass).await;
    let mut stream = connect(&proxy).await;
    stream.write_all(b"again").await.unwrap();
    assert_eq!(reply(&mut stream).await, "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn even_a_short_cut_closes_every_connection() {
    let proxy = Proxy::start(echo().await.port).await;
    for _ in 0..50 {
        let mut streams = Vec::new();
        for _ in 0..8 {
            let mut stream = connect(&proxy).await;
            stream.write_all(b"hello").await.unwrap();
            assert_eq!(reply(&mut stream).await, "hello");
            streams.push(stream);
        }
        proxy.set(Mode::Cut).await;
        proxy.set(Mode::Pass).await;
        for mut stream in streams {
            let end = timeout(BOUND, stream.read(&mut [0; 1])).await.expect("the connection ends");
            assert!(matches!(end, Ok(0) | Err(_)), "got {end:?}");
        }
    }
}

#[tokio::test]
async fn new_connections_go_to_another_port_and_open_ones_stay() {
    let (one, other) = (echo().await, echo().await);
    let proxy = Proxy::start(one.port).await;
    let mut stays = connect(&proxy).await;
    stays.write_all(b"hello").await.unwrap();
    assert_eq!(reply(&mut stays).await, "hello");
    proxy.redirect_to(other.port);
    let mut redirected = connect(&proxy).await;
    redirected.write_all(b"there").await.unwrap();
    assert_eq!(reply(&mut redirected).await, "there");
    stays.write_all(b"again").await.unwrap();
    assert_eq!(reply(&mut stays).await, "again");
    let received = |echo: &Echo| echo.received_bytes.load(Ordering::SeqCst);
    assert_eq!((received(&one), received(&other)), (10, 5));
}

#[tokio::test]
async fn hold_accepts_connections_and_keeps_all_data_until_pass() {
    let echo = echo().await;
    let proxy = Proxy::start(echo.port).await;
    proxy.set(Mode::Hold).await;
    let mut stream = connect(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    assert!(is_silent(&mut stream).await);
    assert_eq!(echo.received_bytes.load(Ordering::SeqCst), 0);

    proxy.set(Mode::Pass).await;
    assert_eq!(reply(&mut stream).await, "hello");
}

#[tokio::test]
async fn delay_applies_to_each_direction() {
    let proxy = Proxy::start(echo().await.port).await;
    proxy.set(Mode::Delay(Duration::from_millis(100))).await;
    let mut stream = connect(&proxy).await;
    let start = Instant::now();
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(reply(&mut stream).await, "hello");
    assert!(start.elapsed() >= Duration::from_millis(200), "took {:?}", start.elapsed());
}

#[tokio::test]
async fn swallowing_replies_passes_requests_and_drops_replies() {
    let echo = echo().await;
    let proxy = Proxy::start(echo.port).await;
    proxy.set(Mode::SwallowReplies).await;
    let mut stream = connect(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    assert!(is_silent(&mut stream).await);
    assert_eq!(echo.received_bytes.load(Ordering::SeqCst), 5);
    assert_eq!(proxy.swallowed_bytes(), 5);
}

#[tokio::test]
async fn connections_end_with_the_handle() {
    let proxy = Proxy::start(echo().await.port).await;
    let mut stream = connect(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(reply(&mut stream).await, "hello");
    drop(proxy);
    stream.write_all(b"hello").await.ok();
    let end = timeout(BOUND, stream.read(&mut [0; 1])).await.expect("the connection ends");
    assert!(matches!(end, Ok(0) | Err(_)), "got {end:?}");
}
