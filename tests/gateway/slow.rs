//! Clients that are slow on purpose, to use up connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::Gateway;
use crate::upstream::{Behavior, Upstream};

/// The gateway waits five seconds; on a busy machine it may take longer.
const BOUND: Duration = Duration::from_secs(60);
const SLOW_CLIENTS: usize = 50;

/// Sends the request and reads until the other side closes the connection. Panics if it stays open.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("the request can be sent");
    let mut response = Vec::new();
    // The read may also end with a reset of the connection.
    let read = timeout(BOUND, stream.read_to_end(&mut response)).await;
    assert!(read.is_ok(), "the connection stays open after {request:?}");
    String::from_utf8_lossy(&response).into_owned()
}

#[tokio::test]
async fn slow_clients_are_cut_off_and_others_are_served_meanwhile() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = Gateway::before(&[node.address]).start().await;
    let incomplete = [
        // Half of the headers, and half of a body.
        "POST /v1/coupons/c/issuances HTTP/1.1\r\nhost: g\r\ncontent-le",
        "POST /v1/coupons/c/issuances HTTP/1.1\r\nhost: g\r\ncontent-length: 18\r\n\r\n{\"member_id\"",
    ];
    let slow: Vec<_> = (0..SLOW_CLIENTS)
        .map(|n| {
            let (public, request) = (gateway.public, incomplete[n % incomplete.len()]);
            tokio::spawn(async move { exchange(public, request).await })
        })
        .collect();
    assert_eq!(gateway.click("c", "kim").await.status, 201);
    for client in slow {
        let response = client.await.expect("the client is cut off");
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 408"), "{response}");
    }
    assert_eq!(node.requests().len(), 1, "no slow request reaches the node");
}
