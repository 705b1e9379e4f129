//! Clients that take their time on purpose, to keep places from others.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::Gateway;
use crate::upstream::{Manner, Upstream};

/// The gateway waits five seconds; a machine that is busy may be late.
const BOUND: Duration = Duration::from_secs(60);
const SLOW_CLIENTS: usize = 50;

/// Sends this, and gives all that comes until the other side hangs up. Panics if it does not.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    stream.write_all(request.as_bytes()).await.expect("it can be sent");
    let mut told = Vec::new();
    // Whoever was cut off may find the connection reset.
    let read = timeout(BOUND, stream.read_to_end(&mut told)).await;
    assert!(read.is_ok(), "nobody hung up after {request:?}");
    String::from_utf8_lossy(&told).into_owned()
}

#[tokio::test]
async fn whoever_does_not_get_on_is_cut_off_and_others_are_served_meanwhile() {
    let node = Upstream::start(Manner::Answer).await;
    let gateway = Gateway::before(&[node.address]).start().await;
    let begun = [
        // Half of the headers, and half of a body.
        "POST /v1/coupons/c/issuances HTTP/1.1\r\nhost: g\r\ncontent-le",
        "POST /v1/coupons/c/issuances HTTP/1.1\r\nhost: g\r\ncontent-length: 18\r\n\r\n{\"member_id\"",
    ];
    let slow: Vec<_> = (0..SLOW_CLIENTS)
        .map(|n| {
            let (public, request) = (gateway.public, begun[n % begun.len()]);
            tokio::spawn(async move { exchange(public, request).await })
        })
        .collect();
    assert_eq!(gateway.click("c", "kim").await.status, 201);
    for client in slow {
        let told = client.await.expect("it is cut off");
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
    }
    assert_eq!(node.asked().len(), 1, "no node ever heard of them");
}
