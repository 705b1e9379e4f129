//! Waits until every issuance has arrived in the database.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::amqp::{Broker, issuances};
use super::testbed::{DATABASE, TestBed};

const POLL: Duration = Duration::from_millis(200);
/// Time without progress after which waiting is useless.
const STILL: Duration = Duration::from_secs(6);

/// The sequence up to which each coupon has every row.
pub(super) async fn rows(testbed: &TestBed) -> Result<HashMap<String, u32>, String> {
    // With a hole, the count is below the largest sequence; the smaller value makes the difference count as missing.
    let query = "SELECT coupon_id, least(count(*), max(sequence)) FROM coupon_issuances GROUP BY coupon_id";
    let found = testbed.sql(DATABASE, query).await?;
    let reach = found.lines().filter_map(|line| {
        let (coupon, count) = line.rsplit_once('|')?;
        Some((coupon.to_owned(), count.parse().ok()?))
    });
    Ok(reach.collect())
}

/// Number of issued answers that have no row yet.
async fn missing(testbed: &TestBed) -> Option<u64> {
    let issued = testbed.clients.as_ref()?.history.tally().issued;
    let rows = rows(testbed).await.ok()?;
    let missing = |(coupon, highest): (&std::sync::Arc<str>, &u32)| {
        u64::from(highest.saturating_sub(rows.get(&**coupon).copied().unwrap_or(0)))
    };
    Some(issued.iter().map(missing).sum())
}

/// Number of issuances that Redis has decided on for each coupon, answered or not.
async fn decided(testbed: &TestBed) -> Option<HashMap<String, u32>> {
    const COUNT: &str = "local counts = {}
        for _, key in ipairs(redis.call('KEYS', 'coupon:*:participants')) do
            counts[#counts + 1] = string.match(key, '{(.*)}') .. '|' .. redis.call('HLEN', key)
        end
        return counts";
    let counts = testbed.redis_cli(&["EVAL", COUNT, "0"]).await.ok()?;
    let count = |line: &str| {
        let (coupon, count) = line.rsplit_once('|')?;
        Some((coupon.to_owned(), count.parse().ok()?))
    };
    Some(counts.lines().filter_map(count).collect())
}

/// Waits until all issuances have arrived that Redis had decided on at the first successful query, and all that members
/// were answered with. Returns whether that was within the bound. Issuances of a dead node that no member knows count
/// as well: until they have arrived, the next fault would be a second one at the same time.
pub(super) async fn until_arrived(testbed: &TestBed, bound: Duration) -> bool {
    let deadline = Instant::now() + bound;
    let mut expected = None;
    loop {
        if expected.is_none() {
            expected = decided(testbed).await;
        }
        if let (Some(expected), Ok(rows), Some(0)) = (&expected, rows(testbed).await, missing(testbed).await)
        {
            let has_arrived =
                |(coupon, count): (&String, &u32)| rows.get(coupon).copied().unwrap_or(0) >= *count;
            if expected.iter().all(has_arrived) {
                return true;
            }
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Like `until_arrived`, without clients: also ends when nothing has been on its way for a while, because missing
/// issuances will never arrive then. Queue and outboxes must be empty and the count of missing ones constant all that
/// time.
pub(super) async fn until_idle(testbed: &TestBed, bound: Duration) -> bool {
    let deadline = Instant::now() + bound;
    let (mut last, mut since) = (None, Instant::now());
    while Instant::now() < deadline {
        let left = missing(testbed).await;
        if left == Some(0) {
            return true;
        }
        if left.is_none() || left != last || on_its_way(testbed).await != Some(0) {
            since = Instant::now();
        }
        last = left;
        if since.elapsed() >= STILL {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    false
}

/// Number of outbox entries and queued messages; `None` if a service does not answer.
async fn on_its_way(testbed: &TestBed) -> Option<u64> {
    let mut count = Broker::connect(testbed).await.ok()?.waiting(&issuances()).await.ok()?;
    let issued = testbed.clients.as_ref()?.history.tally().issued;
    for coupon in issued.keys() {
        let depth = testbed.redis_cli(&["XLEN", &format!("coupon:{{{coupon}}}:outbox")]).await.ok()?;
        count += depth.parse::<u64>().ok()?;
    }
    Some(count)
}
