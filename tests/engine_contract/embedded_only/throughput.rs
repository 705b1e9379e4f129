//! Measures throughput. Run with `cargo test --release --test engine_contract throughput -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use openrun::domain::AdmissionRequest;
use openrun::ports::MAX_BATCH;

use super::{database, engine};
use crate::support::{admit_all, members, open_coupon};

const BATCHES: u32 = 400;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn full_batches_of_new_members() {
    for size in [1, 16, 64, MAX_BATCH] {
        let (database, _directory) = database().await;
        let engine = engine(&database);
        let size = u32::try_from(size).unwrap();
        let coupon = open_coupon("drop", BATCHES * size);
        engine.load(&coupon).await.unwrap();
        let ids = members(0..BATCHES * size);
        let mut times = Vec::new();
        let started = Instant::now();
        for batch in ids.chunks(size as usize) {
            let batch: Vec<_> = batch
                .iter()
                .map(|member| AdmissionRequest { member: member.clone(), traceparent: None })
                .collect();
            let sent = Instant::now();
            engine.admit(&coupon.id, &batch).await.unwrap();
            times.push(sent.elapsed());
        }
        println!("{size} new members a batch: {}", summary(started.elapsed(), times, size));
        let started = Instant::now();
        admit_all(&*engine, &coupon.id, &ids).await;
        println!(
            "  repeated requests: {:.0} members/s",
            f64::from(BATCHES * size) / started.elapsed().as_secs_f64()
        );
    }
}

fn summary(total: Duration, mut times: Vec<Duration>, size: u32) -> String {
    times.sort();
    let rate = f64::from(BATCHES) / total.as_secs_f64();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    format!("{rate:.0} batches/s, {:.0} coupons/s, median {median:?}, p99 {p99:?}", rate * f64::from(size))
}
