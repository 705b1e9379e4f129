//! The embedded engine: one transaction of SQLite writes a decision, so stock and issuances always agree.

mod batches;
mod group_commit;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use self::group_commit::GroupCommit;
use super::catalog::insert_coupon;
use super::database::SqliteDatabase;
use super::failure::engine_error;
use super::{revision, rows};
use crate::domain::{
    AdmissionRequest, AmendmentError, Coupon, CouponId, Decision, Grant, MemberId, Reconfiguration, Standing,
    Timestamp,
};
use crate::ports::{AdmissionEngine, BatchAnswer, EngineError, HoldersPage};
use crate::telemetry::DatabaseCall;

const ADMIT: DatabaseCall = DatabaseCall::several("sqlite", "admit transaction");
const FIND: DatabaseCall =
    DatabaseCall::on_table("sqlite", "SELECT coupon_issuances", "SELECT", "coupon_issuances");

const HOLDERS_PAGE: u32 = 1_000;

/// Decides in the database file of the coupons. There is no outbox, because a decision is stored at once.
#[derive(Debug, Clone)]
pub struct EmbeddedEngine {
    database: SqliteDatabase,
    group_commit: GroupCommit,
}

impl EmbeddedEngine {
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { group_commit: GroupCommit::new(database.clone()), database }
    }

    async fn select_grant(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError> {
        // The outer join distinguishes an unknown coupon (no row) from a member without an issuance (a row of NULLs).
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
        let answer = async {
            let decision = self.group_commit.admit(coupon, batch).await.map_err(engine_error)?;
            let Decision { verdicts, standing, .. } = decision.ok_or(EngineError::UnknownCoupon)?;
            Ok(BatchAnswer { verdicts, standing })
        };
        ADMIT.run(batch.len(), answer, EngineError::kind).await
    }

    async fn find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError> {
        FIND.run(1, self.select_grant(coupon, member), EngineError::kind).await
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
    let after = match change.apply(coupon.standing(database.clock().now())) {
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
