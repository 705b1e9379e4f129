//! A server that stalls cannot hide: whoever meant to ask meanwhile has waited.

use std::time::Duration;

use openrun_load::Target;
use openrun_load::drive::{self, Arrivals, Plan, Schedule, Stage, StatusOnly, Tally};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const STALL: Duration = Duration::from_millis(400);
const MEMBERS: f64 = 20.0;

/// Answers nobody for a while, and everybody at once afterwards.
async fn stalling() -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let target = Target::from(listener.local_addr().expect("it was just bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client may leave at any time.
            tokio::spawn(serve(stream));
        }
    });
    target
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4_096];
    let mut stalled = false;
    // One question at a time comes over a connection, and each fits into a packet.
    while stream.read(&mut buffer).await? > 0 {
        if !std::mem::replace(&mut stalled, true) {
            tokio::time::sleep(STALL).await;
        }
        stream.write_all(b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n").await?;
    }
    Ok(())
}

async fn through(arrivals: Arrivals) -> Tally {
    let mut plan = Plan::new(stalling().await, "spring", arrivals);
    plan.connections = 1;
    let done = drive::run(plan, || StatusOnly, |_| {}, std::future::pending()).await;
    done.expect("it can be run").0
}

#[tokio::test]
async fn in_an_open_loop_those_who_came_during_a_stall_have_waited_for_its_end() {
    // All of them mean to ask within the first quarter of the stall.
    let lasts = STALL / 4;
    let stage = Stage { per_second: MEMBERS / lasts.as_secs_f64(), lasts };
    let tally = through(Arrivals::Open(Schedule::new([stage]))).await;
    assert_eq!((tally.all.sold_out, tally.latency.count()), (MEMBERS as u64, MEMBERS as u64));
    let least_ms = (STALL - lasts).as_secs_f64() * 1e3;
    let latency = tally.latency.ms();
    assert!(latency.p50 >= least_ms, "half of them waited {} ms, and the stall left {least_ms}", latency.p50);
}
