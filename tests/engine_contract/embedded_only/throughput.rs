//! How fast it is. Run with `cargo test --release --test engine_contract throughput -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use openrun::domain::AdmissionRequest;
use openrun::ports::MAX_BATCH;

use super::{database, engine};
use crate::support::{ask_all, members, open_coupon};

const BATCHES: u32 = 400;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; proves nothing"]
async fn full_batches_of_new_members() {
    for size in [1, 16, 64, MAX_BATCH] {
        let (database, _directory) = database().await;
        let engine = engine(&database);
        let size = u32::try_from(size).unwrap();
        let coupon = open_coupon("drop", BATCHES * size);
        engine.load(&coupon).await.unwrap();
        let who = members(0..BATCHES * size);
        let mut times = Vec::new();
        let begun = Instant::now();
        for batch in who.chunks(size as usize) {
            let batch: Vec<_> = batch
                .iter()
                .map(|member| AdmissionRequest { member: member.clone(), traceparent: None })
                .collect();
            let asked = Instant::now();
            engine.admit(&coupon.id, &batch).await.unwrap();
            times.push(asked.elapsed());
        }
        println!("{size} new members a batch: {}", summary(begun.elapsed(), times, size));
        let begun = Instant::now();
        ask_all(&*engine, &coupon.id, &who).await;
        println!(
            "  asking again: {:.0} members/s",
            f64::from(BATCHES * size) / begun.elapsed().as_secs_f64()
        );
    }
}

fn summary(took: Duration, mut times: Vec<Duration>, size: u32) -> String {
    times.sort();
    let rate = f64::from(BATCHES) / took.as_secs_f64();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    format!("{rate:.0} batches/s, {:.0} coupons/s, median {median:?}, p99 {p99:?}", rate * f64::from(size))
}
