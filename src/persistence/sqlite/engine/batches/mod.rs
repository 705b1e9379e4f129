//! Decides batches of several coupons in one transaction, with one trip to the connection's thread to read and one to
//! write.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::domain::{
    AdmissionRequest, Coupon, CouponId, Decision, Grant, IssuanceStatus, MemberId, Timestamp, decide,
};
use crate::persistence::sqlite::clock::Clock;
use crate::persistence::sqlite::rows;

/// The coupons, and the time of each one's highest sequence, which costs one step along the index.
const COUPONS: &str = "SELECT coupons.*, coalesce((SELECT issued_at_ms FROM coupon_issuances
        WHERE coupon_id = coupons.id ORDER BY sequence DESC LIMIT 1), 0) AS latest_ms
    FROM json_each($1) AS wanted CROSS JOIN coupons ON coupons.id = wanted.value";

/// Earlier issuances of the batches' members. CROSS JOIN makes SQLite look up each member by the index; a plain JOIN
/// reads all holders of the coupon, which becomes slower with every issuance.
const HELD: &str = "SELECT held.coupon_id, held.member_id, held.sequence, held.issued_at_ms
    FROM json_each($2) AS request CROSS JOIN coupon_issuances AS held
        ON held.coupon_id = request.value ->> 0 AND held.member_id = request.value ->> 1";

/// All reads of a transaction. IMMEDIATE takes the write lock before the first read, so that the data cannot change
/// before it is written.
static BEGIN: LazyLock<String> = LazyLock::new(|| format!("BEGIN IMMEDIATE; {COUPONS}; {HELD}"));

const ISSUANCES: &str =
    "INSERT INTO coupon_issuances (coupon_id, sequence, member_id, code, status, issued_at_ms)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, $2, value ->> 4 FROM json_each($1)";

/// The write lock excludes other writers. If a count changed nevertheless, it becomes NULL, and NOT NULL fails the
/// transaction.
const COUNTS: &str =
    "UPDATE coupons SET issued = CASE issued WHEN change.value ->> 1 THEN change.value ->> 2 END
    FROM json_each($3) AS change WHERE coupons.id = change.value ->> 0";

/// All writes of a transaction.
static ISSUE: LazyLock<String> = LazyLock::new(|| format!("{ISSUANCES}; {COUNTS}; COMMIT"));

/// Issue requests of one coupon, in order of arrival.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) coupon: CouponId,
    pub(super) requests: Vec<AdmissionRequest>,
}

/// The state from which batches are decided.
#[derive(Default)]
struct Snapshot {
    /// Each coupon with the time of its latest issuance.
    coupons: HashMap<CouponId, (Coupon, Timestamp)>,
    held: HashMap<CouponId, HashMap<MemberId, Grant>>,
}

/// A decided batch that is not written yet.
struct Decided {
    coupon: Coupon,
    decision: Decision,
}

/// Decides `batches`, each of another coupon, in one transaction. Gives the decisions in the same order, `None` for an
/// unknown coupon.
pub(super) async fn admit(
    connection: &mut SqliteConnection,
    clock: &Clock,
    batches: &[&Batch],
) -> Result<Vec<Option<Decision>>, sqlx::Error> {
    let mut snapshot = begin(connection, batches).await?;
    // Read under the write lock, so that times follow the order of the sequences.
    let now = clock.now();
    let decided: Vec<Option<Decided>> = batches.iter().map(|batch| snapshot.decide(batch, now)).collect();
    if decided.iter().flatten().all(|decided| decided.decision.winners.is_empty()) {
        sqlx::query("COMMIT").execute(connection).await?;
    } else {
        issue(connection, decided.iter().flatten()).await?;
    }
    Ok(decided.into_iter().map(|decided| decided.map(|decided| decided.decision)).collect())
}

impl Snapshot {
    fn decide(&mut self, batch: &Batch, now: Timestamp) -> Option<Decided> {
        let (coupon, latest) = self.coupons.remove(&batch.coupon)?;
        let standing = coupon.standing(now);
        let held = self.held.remove(&batch.coupon).unwrap_or_default();
        // The machine's clock may have been set back between two processes.
        let decision = decide(standing, standing.now.max(latest), held, &batch.requests);
        Some(Decided { coupon, decision })
    }

    /// Adds a row of `COUPONS`, which has `latest_ms`, or of `HELD`.
    fn add_row(&mut self, row: &SqliteRow) -> Result<(), sqlx::Error> {
        if row.try_column("latest_ms").is_ok() {
            let coupon = rows::coupon(row)?;
            self.coupons.insert(coupon.id.clone(), (coupon, rows::moment(row, "latest_ms")?));
        } else {
            let members = self.held.entry(rows::coupon_id(row)?).or_default();
            members.insert(rows::member(row)?, rows::grant(row)?);
        }
        Ok(())
    }
}

/// Begins a transaction and reads the state of `batches`.
async fn begin(connection: &mut SqliteConnection, batches: &[&Batch]) -> Result<Snapshot, sqlx::Error> {
    let coupons: Vec<&str> = batches.iter().map(|batch| batch.coupon.as_str()).collect();
    let members = batches.iter().flat_map(|batch| {
        batch.requests.iter().map(|request| (batch.coupon.as_str(), request.member.as_str()))
    });
    let members: Vec<(&str, &str)> = members.collect();
    let query = sqlx::query(&**BEGIN).bind(json(&coupons)?).bind(json(&members)?);
    let mut snapshot = Snapshot::default();
    for row in query.fetch_all(connection).await? {
        snapshot.add_row(&row)?;
    }
    Ok(snapshot)
}

/// Writes the decisions and commits.
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

fn json(values: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(values).map_err(rows::corrupt)
}

#[cfg(test)]
mod tests;
