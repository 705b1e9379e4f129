//! A server that stalls cannot hide it: requests that were due during the stall count as waiting.

use std::time::Duration;

use openrun_load::Target;
use openrun_load::drive::{self, Arrivals, Plan, Schedule, Stage, StatusReader, Tally};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const STALL: Duration = Duration::from_millis(400);
const MEMBERS: f64 = 20.0;

/// Stalls on the first request over a connection, and answers the following ones at once.
async fn start_stalling_server() -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let target = Target::from(listener.local_addr().expect("it was just bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client may disconnect at any time.
            tokio::spawn(serve(stream));
        }
    });
    target
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4_096];
    let mut stalled = false;
    // A connection carries one request at a time, and each fits into a packet.
    while stream.read(&mut buffer).await? > 0 {
        if !std::mem::replace(&mut stalled, true) {
            tokio::time::sleep(STALL).await;
        }
        stream.write_all(b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n").await?;
    }
    Ok(())
}

async fn run_load(arrivals: Arrivals) -> Tally {
    let mut plan = Plan::new(start_stalling_server().await, "spring", arrivals);
    plan.connections = 1;
    let result = drive::run(plan, || StatusReader, |_| {}, std::future::pending()).await;
    result.expect("the load succeeds").0
}

#[tokio::test]
async fn in_an_open_loop_requests_due_during_a_stall_count_as_waiting() {
    // All requests are due within the first quarter of the stall.
    let duration = STALL / 4;
    let stage = Stage { per_second: MEMBERS / duration.as_secs_f64(), duration };
    let tally = run_load(Arrivals::Open(Schedule::new([stage]))).await;
    assert_eq!((tally.all.sold_out, tally.latency.count()), (MEMBERS as u64, MEMBERS as u64));
    let least_ms = (STALL - duration).as_secs_f64() * 1e3;
    let latency = tally.latency.ms();
    assert!(
        latency.p50 >= least_ms,
        "half of the requests waited {} ms, and the stall left {least_ms}",
        latency.p50
    );
}
