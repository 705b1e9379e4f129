//! What is done for batches in one transaction: one trip to the connection's thread to read, one to write, however many
//! coupons they are of.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::domain::{AdmissionRequest, Coupon, CouponId, Grant, IssuanceStatus, MemberId, Timestamp};
use crate::domain::{Decision, decide};
use crate::persistence::sqlite::clock::Clock;
use crate::persistence::sqlite::rows;

/// The coupons, and when the highest sequence of each was issued: one step along the index.
const COUPONS: &str = "SELECT coupons.*, coalesce((SELECT issued_at_ms FROM coupon_issuances
        WHERE coupon_id = coupons.id ORDER BY sequence DESC LIMIT 1), 0) AS latest_ms
    FROM json_each($1) AS asked CROSS JOIN coupons ON coupons.id = asked.value";

/// What members of the batches hold. CROSS JOIN makes SQLite look each of them up by the index; left to itself it reads
/// everybody who holds the coupon, which slows down with every one issued.
const HELD: &str = "SELECT held.coupon_id, held.member_id, held.sequence, held.issued_at_ms
    FROM json_each($2) AS asking CROSS JOIN coupon_issuances AS held
        ON held.coupon_id = asking.value ->> 0 AND held.member_id = asking.value ->> 1";

/// Everything the batches have to know. IMMEDIATE takes the write lock before the first read, so that what is read is still
/// true when it is written.
static BEGIN: LazyLock<String> = LazyLock::new(|| format!("BEGIN IMMEDIATE; {COUPONS}; {HELD}"));

const ISSUANCES: &str =
    "INSERT INTO coupon_issuances (coupon_id, sequence, member_id, code, status, issued_at_ms)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, $2, value ->> 4 FROM json_each($1)";

/// Nobody else can write in between; if a count moved all the same it becomes NULL, which it must not be.
const COUNTS: &str =
    "UPDATE coupons SET issued = CASE issued WHEN change.value ->> 1 THEN change.value ->> 2 END
    FROM json_each($3) AS change WHERE coupons.id = change.value ->> 0";

/// Everything the batches write.
static ISSUE: LazyLock<String> = LazyLock::new(|| format!("{ISSUANCES}; {COUNTS}; COMMIT"));

/// Members who ask for one coupon, in their order.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) coupon: CouponId,
    pub(super) requests: Vec<AdmissionRequest>,
}

/// What is read before batches can be decided.
#[derive(Default)]
struct Known {
    /// Each coupon, and when it was last issued.
    coupons: HashMap<CouponId, (Coupon, Timestamp)>,
    held: HashMap<CouponId, HashMap<MemberId, Grant>>,
}

/// A batch that is decided, and not yet written.
struct Decided {
    coupon: Coupon,
    decision: Decision,
}

/// Decides for all of `batches`, each of another coupon, in one transaction. In their order; `None` for those whose coupon
/// there is not.
pub(super) async fn admit(
    connection: &mut SqliteConnection,
    clock: &Clock,
    batches: &[&Batch],
) -> Result<Vec<Option<Decision>>, sqlx::Error> {
    let mut known = begin(connection, batches).await?;
    // The clock is read while nobody else can write, so that times follow the order of the sequences. It may have been set
    // back while the process was away.
    let now = clock.now();
    let decided: Vec<Option<Decided>> = batches.iter().map(|batch| known.decide(batch, now)).collect();
    if decided.iter().flatten().all(|decided| decided.decision.winners.is_empty()) {
        sqlx::query("COMMIT").execute(connection).await?;
    } else {
        issue(connection, decided.iter().flatten()).await?;
    }
    Ok(decided.into_iter().map(|decided| decided.map(|decided| decided.decision)).collect())
}

impl Known {
    fn decide(&mut self, batch: &Batch, now: Timestamp) -> Option<Decided> {
        let (coupon, latest) = self.coupons.remove(&batch.coupon)?;
        let standing = coupon.standing(now);
        let held = self.held.remove(&batch.coupon).unwrap_or_default();
        let decision = decide(standing, standing.now.max(latest), held, &batch.requests);
        Some(Decided { coupon, decision })
    }

    /// Takes in one row of either question; only a coupon's has a last moment.
    fn take(&mut self, row: &SqliteRow) -> Result<(), sqlx::Error> {
        if row.try_column("latest_ms").is_ok() {
            let coupon = rows::coupon(row)?;
            self.coupons.insert(coupon.id.clone(), (coupon, rows::moment(row, "latest_ms")?));
        } else {
            let of = self.held.entry(rows::coupon_id(row)?).or_default();
            of.insert(rows::member(row)?, rows::grant(row)?);
        }
        Ok(())
    }
}

/// Begins a transaction, and reads all that is asked for.
async fn begin(connection: &mut SqliteConnection, batches: &[&Batch]) -> Result<Known, sqlx::Error> {
    let coupons: Vec<&str> = batches.iter().map(|batch| batch.coupon.as_str()).collect();
    let asking = batches.iter().flat_map(|batch| {
        batch.requests.iter().map(|request| (batch.coupon.as_str(), request.member.as_str()))
    });
    let asking: Vec<(&str, &str)> = asking.collect();
    let query = sqlx::query(&**BEGIN).bind(json(&coupons)?).bind(json(&asking)?);
    let mut known = Known::default();
    for row in query.fetch_all(connection).await? {
        known.take(&row)?;
    }
    Ok(known)
}

/// Writes what was decided, and commits.
async fn issue<'d>(
    connection: &mut SqliteConnection,
    decided: impl Iterator<Item = &'d Decided> + Clone,
) -> Result<(), sqlx::Error> {
    let issued = decided.clone().flat_map(|Decided { coupon, decision }| {
        decision.winners.iter().map(|(member, Grant { sequence, issued_at })| {
            let code = coupon.salt.code(&coupon.id, member).to_string();
            (coupon.id.as_str(), *sequence, member.as_str(), code, issued_at.as_ms())
        })
    });
    let counts = decided.filter(|decided| !decided.decision.winners.is_empty()).map(|decided| {
        let after = decided.decision.standing.inventory.issued();
        (decided.coupon.id.as_str(), decided.coupon.inventory.issued(), after)
    });
    sqlx::query(&**ISSUE)
        .bind(json(&issued.collect::<Vec<_>>())?)
        .bind(IssuanceStatus::Unused.as_str())
        .bind(json(&counts.collect::<Vec<_>>())?)
        .execute(connection)
        .await?;
    Ok(())
}

/// An argument of many values.
fn json(values: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(values).map_err(rows::nonsense)
}

#[cfg(test)]
mod tests;
