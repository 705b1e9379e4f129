//! Waiting until everything that was told has arrived in the database.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::amqp::{Broker, issuances};
use super::arena::{Arena, DATABASE};

const POLL: Duration = Duration::from_millis(200);
/// How long nothing may be on its way until waiting for more is in vain.
const STILL: Duration = Duration::from_secs(6);

/// Up to which sequence each coupon's rows reach without a hole.
pub(super) async fn rows(arena: &Arena) -> Result<HashMap<String, u32>, String> {
    // A coupon whose count is below its largest sequence has a hole; then the count is on the safe side.
    let query = "SELECT coupon_id, least(count(*), max(sequence)) FROM coupon_issuances GROUP BY coupon_id";
    let found = arena.sql(DATABASE, query).await?;
    let reach = found.lines().filter_map(|line| {
        let (coupon, count) = line.rsplit_once('|')?;
        Some((coupon.to_owned(), count.parse().ok()?))
    });
    Ok(reach.collect())
}

/// How many issuances have been told and are not in the database yet.
async fn missing(arena: &Arena) -> Option<u64> {
    let told = arena.crowd.as_ref()?.history.tally().told;
    let rows = rows(arena).await.ok()?;
    let missing = |(coupon, highest): (&std::sync::Arc<str>, &u32)| {
        u64::from(highest.saturating_sub(rows.get(&**coupon).copied().unwrap_or(0)))
    };
    Some(told.iter().map(missing).sum())
}

/// How many issuances of each coupon Redis has decided on, told or not.
async fn decided(arena: &Arena) -> Option<HashMap<String, u32>> {
    const COUNT: &str = "local counts = {}
        for _, key in ipairs(redis.call('KEYS', 'coupon:*:participants')) do
            counts[#counts + 1] = string.match(key, '{(.*)}') .. '|' .. redis.call('HLEN', key)
        end
        return counts";
    let counts = arena.redis_says(&["EVAL", COUNT, "0"]).await.ok()?;
    let count = |line: &str| {
        let (coupon, count) = line.rsplit_once('|')?;
        Some((coupon.to_owned(), count.parse().ok()?))
    };
    Some(counts.lines().filter_map(count).collect())
}

/// Waits until everything that Redis had decided on when it was first asked, and everything that was told when it looks,
/// has arrived; whether that was within the bound. What a node that died had decided and told nobody counts as well:
/// until it has arrived, the next fault would be the second one at once.
pub(super) async fn until_arrived(arena: &Arena, bound: Duration) -> bool {
    let deadline = Instant::now() + bound;
    let mut expected = None;
    loop {
        if expected.is_none() {
            expected = decided(arena).await;
        }
        if let (Some(expected), Ok(rows), Some(0)) = (&expected, rows(arena).await, missing(arena).await) {
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

/// As `until_arrived`, when nobody asks any more: also ends when nothing has been on its way for a while, because what
/// is missing then will never come. The queue and the outboxes must be empty and the rows the same all that time.
pub(super) async fn until_still(arena: &Arena, bound: Duration) -> bool {
    let deadline = Instant::now() + bound;
    let (mut last, mut since) = (None, Instant::now());
    while Instant::now() < deadline {
        let left = missing(arena).await;
        if left == Some(0) {
            return true;
        }
        if left.is_none() || left != last || on_its_way(arena).await != Some(0) {
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

/// Entries of all outboxes and messages in the queue; `None` if one of them cannot be asked.
async fn on_its_way(arena: &Arena) -> Option<u64> {
    let mut count = Broker::connect(arena).await.ok()?.waiting(&issuances()).await.ok()?;
    let told = arena.crowd.as_ref()?.history.tally().told;
    for coupon in told.keys() {
        let depth = arena.redis_says(&["XLEN", &format!("coupon:{{{coupon}}}:outbox")]).await.ok()?;
        count += depth.parse::<u64>().ok()?;
    }
    Some(count)
}
