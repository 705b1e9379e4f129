//! The final data, read directly from PostgreSQL and RabbitMQ.

use std::time::{Duration, Instant};

use super::amqp::{Broker, dead_letters};
use super::checker::Row;
use super::testbed::{DATABASE, TestBed};

const ROWS: &str =
    "SELECT coupon_id, sequence, member_id, code, (extract(epoch FROM issued_at) * 1000)::bigint
    FROM coupon_issuances ORDER BY coupon_id, sequence";
const CONFLICTS: &str = "SELECT coupon_id, sequence, member_id FROM issuance_conflicts";

/// Interval of checking whether the planted messages have arrived.
const POLL: Duration = Duration::from_millis(500);

/// Coupon, sequence and member of an issuance that contradicts a row.
pub(super) type Conflict = (String, u32, String);

/// Every row. The names of the run contain no `|`.
pub(super) async fn rows(testbed: &TestBed) -> Result<Vec<Row>, String> {
    let text = testbed.sql(DATABASE, ROWS).await?;
    text.lines().map(|line| row(line).ok_or_else(|| format!("unreadable row of psql: {line}"))).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut fields = line.split('|');
    Some(Row {
        coupon: fields.next()?.to_owned(),
        sequence: fields.next()?.parse().ok()?,
        member: fields.next()?.to_owned(),
        code: fields.next()?.to_owned(),
        issued_at_ms: fields.next()?.parse().ok()?,
    })
}

/// The quarantine and the dead letters, once they contain all planted messages or `bound` is over.
pub(super) async fn set_aside(
    testbed: &TestBed,
    bound: Duration,
) -> Result<(Vec<Conflict>, Vec<String>), String> {
    let deadline = Instant::now() + bound;
    loop {
        let (conflicts, letters) = (conflicts(testbed).await?, dead(testbed).await?);
        let are_quarantined = testbed.planted.conflicts.iter().all(|conflict| conflicts.contains(conflict));
        let are_dead = testbed.planted.poison.iter().all(|poison| letters.contains(poison));
        if (are_quarantined && are_dead) || Instant::now() >= deadline {
            return Ok((conflicts, letters));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn conflicts(testbed: &TestBed) -> Result<Vec<Conflict>, String> {
    let text = testbed.sql(DATABASE, CONFLICTS).await?;
    let conflict = |line: &str| {
        let mut fields = line.split('|');
        Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?, fields.next()?.to_owned()))
    };
    Ok(text.lines().filter_map(conflict).collect())
}

/// The payloads of the dead letters, including copies.
async fn dead(testbed: &TestBed) -> Result<Vec<String>, String> {
    Broker::connect(testbed).await?.texts(&dead_letters()).await
}
