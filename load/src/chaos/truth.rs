//! What is left at the end, read from PostgreSQL and RabbitMQ themselves.

use std::time::{Duration, Instant};

use super::amqp::{Broker, dead_letters};
use super::arena::{Arena, DATABASE};
use super::checker::Row;

const ROWS: &str =
    "SELECT coupon_id, sequence, member_id, code, (extract(epoch FROM issued_at) * 1000)::bigint
    FROM coupon_issuances ORDER BY coupon_id, sequence";
const CONFLICTS: &str = "SELECT coupon_id, sequence, member_id FROM issuance_conflicts";

/// How often it is looked whether what was planted has arrived.
const POLL: Duration = Duration::from_millis(500);

/// What contradicted a row: coupon, sequence and member of what arrived.
pub(super) type Conflict = (String, u32, String);

/// Every row. None of the run's own names has a bar in it.
pub(super) async fn rows(arena: &Arena) -> Result<Vec<Row>, String> {
    let text = arena.sql(DATABASE, ROWS).await?;
    text.lines().map(|line| row(line).ok_or_else(|| format!("a row that cannot be read: {line}"))).collect()
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

/// The quarantine and the dead letters, once all that the run planted is there or `bound` is over: like rows, they have to
/// arrive.
pub(super) async fn put_aside(
    arena: &Arena,
    bound: Duration,
) -> Result<(Vec<Conflict>, Vec<String>), String> {
    let deadline = Instant::now() + bound;
    loop {
        let (conflicts, letters) = (conflicts(arena).await?, dead(arena).await?);
        let are_quarantined = arena.planted.conflicts.iter().all(|conflict| conflicts.contains(conflict));
        let are_dead = arena.planted.poison.iter().all(|poison| letters.contains(poison));
        if (are_quarantined && are_dead) || Instant::now() >= deadline {
            return Ok((conflicts, letters));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The quarantine.
async fn conflicts(arena: &Arena) -> Result<Vec<Conflict>, String> {
    let text = arena.sql(DATABASE, CONFLICTS).await?;
    let conflict = |line: &str| {
        let mut fields = line.split('|');
        Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?, fields.next()?.to_owned()))
    };
    Ok(text.lines().filter_map(conflict).collect())
}

/// The texts of the dead letters, copies and all.
async fn dead(arena: &Arena) -> Result<Vec<String>, String> {
    Broker::connect(arena).await?.texts(&dead_letters()).await
}
