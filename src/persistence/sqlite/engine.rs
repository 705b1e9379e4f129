//! The embedded engine: every decision is one transaction of SQLite, so stock, member and coupon are never apart.

use std::collections::HashMap;
use std::sync::LazyLock;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::catalog::insert_coupon;
use super::database::SqliteDatabase;
use super::failure::engine_error;
use super::{revision, rows};
use crate::domain::{
    AmendmentError, Coupon, CouponId, IssuanceStatus, MemberId, Sequence, Standing, Timestamp,
};
use crate::persistence::admission::{Decision, decide};
use crate::persistence::reconfigure;
use crate::ports::{
    AdmissionEngine, AdmissionRequest, BatchAnswer, EngineError, Grant, HoldersPage, Reconfiguration,
};

/// Members on one page of holders.
const HOLDERS_PAGE: u32 = 1_000;

/// A coupon, and when its highest sequence was issued: one step along the index.
const COUPON: &str = "SELECT coupons.*, coalesce((SELECT issued_at_ms FROM coupon_issuances
        WHERE coupon_id = coupons.id ORDER BY sequence DESC LIMIT 1), 0) AS latest_ms
    FROM coupons WHERE id = $1";

/// What members of a batch hold. CROSS JOIN makes SQLite look each of them up by the index; left to itself it reads
/// everybody who holds the coupon, which slows down with every one issued.
const HELD: &str = "SELECT held.member_id, held.sequence, held.issued_at_ms
    FROM json_each($2) AS asking
    CROSS JOIN coupon_issuances AS held ON held.coupon_id = $1 AND held.member_id = asking.value";

/// Everything a batch has to know, in one trip to the connection's thread. IMMEDIATE takes the write lock before the first
/// read, so that what is read is still true when it is written.
static BEGIN: LazyLock<String> = LazyLock::new(|| format!("BEGIN IMMEDIATE; {COUPON}; {HELD}"));

/// Everything a batch writes, in one trip. Nobody else can write in between; if the count moved all the same it becomes
/// NULL, which it must not be, and nothing of this is committed.
const ISSUE: &str =
    "INSERT INTO coupon_issuances (coupon_id, sequence, member_id, code, status, issued_at_ms)
        SELECT $1, value ->> 0, value ->> 1, value ->> 2, $3, $4 FROM json_each($2);
    UPDATE coupons SET issued = CASE issued WHEN $5 THEN $6 END WHERE id = $1;
    COMMIT";

/// Decides in the same database file that keeps the coupons. There is no outbox: what is decided has arrived.
#[derive(Debug, Clone)]
pub struct EmbeddedEngine {
    database: SqliteDatabase,
}

impl EmbeddedEngine {
    /// The engine on this database.
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl AdmissionEngine for EmbeddedEngine {
    fn name(&self) -> &'static str {
        "embedded"
    }

    async fn load(&self, coupon: &Coupon) -> Result<(), EngineError> {
        let coupon = coupon.clone();
        self.database
            .write(move |c| Box::pin(async move { insert_coupon(c, &coupon).await }))
            .await
            .map_err(engine_error)?;
        Ok(())
    }

    async fn admit(&self, coupon: &CouponId, batch: &[AdmissionRequest]) -> Result<BatchAnswer, EngineError> {
        let (id, batch, database) = (coupon.clone(), batch.to_vec(), self.database.clone());
        let decision = self
            .database
            .in_turn(move |c| Box::pin(async move { admit(c, &database, &id, &batch).await }))
            .await
            .map_err(engine_error)?;
        let Decision { verdicts, standing, .. } = decision.ok_or(EngineError::UnknownCoupon)?;
        Ok(BatchAnswer { verdicts, standing })
    }

    async fn find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError> {
        // The outer join tells an unknown coupon (no row) from a member without one (a row of nothing).
        let sql = "SELECT i.sequence, i.issued_at_ms FROM coupons AS c
            LEFT JOIN coupon_issuances AS i ON i.coupon_id = c.id AND i.member_id = $2
            WHERE c.id = $1";
        let query = sqlx::query(sql).bind(coupon.as_str()).bind(member.as_str());
        let row = query.fetch_optional(self.database.readers()).await.map_err(engine_error)?;
        let row = row.ok_or(EngineError::UnknownCoupon)?;
        if rows::is_null(&row, "sequence").map_err(engine_error)? {
            return Ok(None);
        }
        rows::grant(&row).map(Some).map_err(engine_error)
    }

    async fn standing(&self, coupon: &CouponId) -> Result<Standing, EngineError> {
        let query = sqlx::query("SELECT * FROM coupons WHERE id = $1").bind(coupon.as_str());
        let row = query.fetch_optional(self.database.readers()).await.map_err(engine_error)?;
        let coupon = rows::coupon(&row.ok_or(EngineError::UnknownCoupon)?).map_err(engine_error)?;
        Ok(coupon.standing(self.database.clock().now()))
    }

    async fn holders(&self, coupon: &CouponId, cursor: u64) -> Result<HoldersPage, EngineError> {
        let sql = "SELECT i.sequence, i.member_id, i.issued_at_ms FROM coupons AS c
            LEFT JOIN coupon_issuances AS i ON i.coupon_id = c.id AND i.sequence > $2
            WHERE c.id = $1 ORDER BY i.sequence LIMIT $3";
        let after = i64::try_from(cursor).unwrap_or(i64::MAX);
        let query = sqlx::query(sql).bind(coupon.as_str()).bind(after).bind(HOLDERS_PAGE);
        let found = query.fetch_all(self.database.readers()).await.map_err(engine_error)?;
        if found.is_empty() {
            return Err(EngineError::UnknownCoupon);
        }
        holders_page(&found).map_err(engine_error)
    }

    async fn reconfigure(
        &self,
        coupon: &CouponId,
        change: Reconfiguration,
    ) -> Result<Result<Standing, AmendmentError>, EngineError> {
        let (id, database) = (coupon.clone(), self.database.clone());
        self.database
            .write(move |c| Box::pin(async move { reconfigure(c, &database, &id, change).await }))
            .await
            .map_err(engine_error)?
            .ok_or(EngineError::UnknownCoupon)
    }

    async fn revision(&self) -> Result<u64, EngineError> {
        revision::read(self.database.readers()).await.map_err(engine_error)
    }

    async fn announce(&self) -> Result<(), EngineError> {
        self.database.write(|c| Box::pin(revision::bump(c))).await.map_err(engine_error)
    }
}

/// The whole of a batch: one trip to read, one to write.
async fn admit(
    connection: &mut SqliteConnection,
    database: &SqliteDatabase,
    id: &CouponId,
    batch: &[AdmissionRequest],
) -> Result<Option<Decision>, sqlx::Error> {
    let Some((coupon, latest, held)) = begin(connection, id, batch).await? else {
        sqlx::query("ROLLBACK").execute(connection).await?;
        return Ok(None);
    };
    // The clock is read while nobody else can write, so that times follow the order of the sequences. It may have been set
    // back while the process was away.
    let standing = coupon.standing(database.clock().now());
    let issued_at = standing.now.max(latest);
    let decision = decide(standing, issued_at, held, batch);
    if decision.winners.is_empty() {
        sqlx::query("COMMIT").execute(connection).await?;
    } else {
        issue(connection, &coupon, issued_at, &decision).await?;
    }
    Ok(Some(decision))
}

/// Begins a transaction, and reads the coupon, when it was last issued, and what members of the batch hold.
async fn begin(
    connection: &mut SqliteConnection,
    id: &CouponId,
    batch: &[AdmissionRequest],
) -> Result<Option<(Coupon, Timestamp, HashMap<MemberId, Grant>)>, sqlx::Error> {
    let members: Vec<&str> = batch.iter().map(|request| request.member.as_str()).collect();
    let members = serde_json::to_string(&members).map_err(rows::nonsense)?;
    let query = sqlx::query(&**BEGIN).bind(id.as_str()).bind(members);
    let found = query.fetch_all(connection).await?;
    // Without its coupon nobody holds one: the first row is the coupon's, or there is none.
    let Some((coupon, held)) = found.split_first() else { return Ok(None) };
    let held = held.iter().map(|row| Ok((rows::member(row)?, rows::grant(row)?)));
    let held = held.collect::<Result<_, sqlx::Error>>()?;
    Ok(Some((rows::coupon(coupon)?, rows::moment(coupon, "latest_ms")?, held)))
}

/// Writes what was decided, and commits.
async fn issue(
    connection: &mut SqliteConnection,
    coupon: &Coupon,
    issued_at: Timestamp,
    decision: &Decision,
) -> Result<(), sqlx::Error> {
    let code = |member| coupon.salt.code(&coupon.id, member);
    let issued: Vec<(Sequence, &str, String)> = decision
        .winners
        .iter()
        .map(|(member, grant)| (grant.sequence, member.as_str(), code(member).to_string()))
        .collect();
    sqlx::query(ISSUE)
        .bind(coupon.id.as_str())
        .bind(serde_json::to_string(&issued).map_err(rows::nonsense)?)
        .bind(IssuanceStatus::Unused.as_str())
        .bind(issued_at.as_ms())
        .bind(coupon.inventory.issued())
        .bind(decision.standing.inventory.issued())
        .execute(connection)
        .await?;
    Ok(())
}

/// A coupon as it is in the database.
async fn read_coupon(
    connection: &mut SqliteConnection,
    id: &CouponId,
) -> Result<Option<Coupon>, sqlx::Error> {
    let found = sqlx::query("SELECT * FROM coupons WHERE id = $1").bind(id.as_str());
    found.fetch_optional(connection).await?.as_ref().map(rows::coupon).transpose()
}

async fn reconfigure(
    connection: &mut SqliteConnection,
    database: &SqliteDatabase,
    id: &CouponId,
    change: Reconfiguration,
) -> Result<Option<Result<Standing, AmendmentError>>, sqlx::Error> {
    let Some(coupon) = read_coupon(connection, id).await? else { return Ok(None) };
    let after = match reconfigure::apply(coupon.standing(database.clock().now()), change) {
        Ok(after) => after,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    let sql =
        "UPDATE coupons SET total = $2, opens_at_ms = $3, closes_at_ms = $4, lifecycle = $5 WHERE id = $1";
    sqlx::query(sql)
        .bind(id.as_str())
        .bind(after.inventory.total())
        .bind(after.window.opens_at().as_ms())
        .bind(after.window.closes_at().map(Timestamp::as_ms))
        .bind(after.lifecycle.as_str())
        .execute(&mut *connection)
        .await?;
    revision::bump(connection).await?;
    Ok(Some(Ok(after)))
}

fn holders_page(found: &[SqliteRow]) -> Result<HoldersPage, sqlx::Error> {
    let Some(last) = found.last() else { return Ok(HoldersPage::default()) };
    if rows::is_null(last, "sequence")? {
        return Ok(HoldersPage::default());
    }
    let holder = |row| Ok::<_, sqlx::Error>((rows::member(row)?, rows::grant(row)?));
    let holders = found.iter().map(holder).collect::<Result<_, _>>()?;
    let full = found.len() == HOLDERS_PAGE as usize;
    let next = if full { Some(u64::from(rows::number(last, "sequence")?)) } else { None };
    Ok(HoldersPage { holders, next })
}

#[cfg(test)]
mod tests;
