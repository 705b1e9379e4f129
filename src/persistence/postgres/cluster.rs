//! Where nodes meet: tables of PostgreSQL, by its clock.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::database::Database;
use super::errors::cause;
use super::rows;
use crate::domain::CouponId;
use crate::ports::{
    Cluster, ClusterError, ClusterTime, Epoch, HeartbeatReply, HighWatermark, NodeId, NodeReports,
    OpenRecovery, Round,
};

/// Who has been silent for an hour is swept away on the way.
const BEAT: &str = "WITH beat AS (
        INSERT INTO nodes (id, seen_at, aware, hands_free) VALUES ($1, now(), $2, $3)
        ON CONFLICT (id) DO UPDATE
            SET seen_at = now(), aware = EXCLUDED.aware, hands_free = EXCLUDED.hands_free
    ), gone AS (
        DELETE FROM nodes WHERE seen_at < now() - interval '1 hour' AND id <> $1
    )
    SELECT (extract(epoch FROM now()) * 1000000)::bigint AS now, open.coupon_id, open.round
    FROM (SELECT) AS one LEFT JOIN coupon_recoveries AS open ON open.is_open ORDER BY open.coupon_id";

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

const UNAWARE: &str = "SELECT count(*) FROM nodes
    WHERE seen_at > now() - $2 * interval '1 millisecond' AND COALESCE(aware, 0) < $1";

/// What was said more than two seconds ago, four beats, no longer counts.
const BUSY: &str = "SELECT count(*) FROM nodes
    WHERE seen_at > now() - $2 * interval '1 millisecond'
        AND COALESCE(hands_free, 0) < GREATEST($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 2000000)";

const LEAVE: &str = "DELETE FROM nodes WHERE id = $1";

/// Only who has it, or whoever comes after it has ended, updates the row.
const LEASE: &str =
    "INSERT INTO leases (what, node, ends_at) VALUES ($1, $2, now() + $3 * interval '1 millisecond')
    ON CONFLICT (what) DO UPDATE SET node = EXCLUDED.node, ends_at = EXCLUDED.ends_at
    WHERE leases.node = EXCLUDED.node OR leases.ends_at < now()";

const RELEASE: &str = "DELETE FROM leases WHERE what = $1 AND node = $2";

const RECOVERY: &str = "INSERT INTO coupon_recoveries (coupon_id, round, is_open) VALUES ($1, 1, true)
    ON CONFLICT (coupon_id) DO UPDATE SET
        round = coupon_recoveries.round + CASE WHEN coupon_recoveries.is_open THEN 0 ELSE 1 END, is_open = true
    RETURNING round";

const TESTIFY: &str = "INSERT INTO coupon_testimonies (coupon_id, round, node, epoch, issued)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (coupon_id, round, node) DO UPDATE SET
        epoch = GREATEST(coupon_testimonies.epoch, EXCLUDED.epoch),
        issued = GREATEST(coupon_testimonies.issued, EXCLUDED.issued)";

const TESTIMONIES: &str = "WITH said AS (
        SELECT node, epoch, issued FROM coupon_testimonies WHERE coupon_id = $1 AND round = $2
    )
    SELECT
        (SELECT count(*) FROM nodes
            WHERE seen_at > now() - $3 * interval '1 millisecond' AND id NOT IN (SELECT node FROM said)) AS missing,
        GREATEST(recovery.epoch, (SELECT max(epoch) FROM said)) AS epoch,
        COALESCE((SELECT max(issued) FROM said), 0) AS issued
    FROM coupon_recoveries AS recovery WHERE coupon_id = $1";

const RECOVERED: &str = "WITH ended AS (
        UPDATE coupon_recoveries SET is_open = false, epoch = GREATEST(epoch, $3)
        WHERE coupon_id = $1 AND round = $2 AND is_open
    ), accounted AS (
        DELETE FROM lost_numbers WHERE coupon_id = $1 AND round <= $2
    )
    DELETE FROM coupon_testimonies WHERE coupon_id = $1 AND round <= $2";

const IS_OPEN: &str =
    "SELECT EXISTS (SELECT FROM coupon_recoveries WHERE coupon_id = $1 AND round = $2 AND is_open)";

/// The nodes that share one PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresCluster {
    database: Database,
}

impl PostgresCluster {
    /// The nodes that meet in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// How many nodes `query` finds since then, but for those silent for `silence`.
    async fn count(
        &self,
        query: &'static str,
        since: ClusterTime,
        silence: Duration,
    ) -> Result<u32, ClusterError> {
        let silence_ms = i64::try_from(silence.as_millis()).unwrap_or(i64::MAX);
        let work = self.database.run(move |connection| {
            Box::pin(async move {
                sqlx::query_scalar(query).bind(since.0).bind(silence_ms).fetch_one(connection).await
            })
        });
        let count: i64 = work.await.map_err(failed)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

#[async_trait]
impl Cluster for PostgresCluster {
    async fn heartbeat(
        &self,
        node: &NodeId,
        catalog_read_at: Option<ClusterTime>,
        idle_since: Option<ClusterTime>,
    ) -> Result<HeartbeatReply, ClusterError> {
        let node = node.to_string();
        let (catalog_read_at, idle_since) =
            (catalog_read_at.map(|time| time.0), idle_since.map(|time| time.0));
        let work = self.database.run(move |connection| {
            Box::pin(async move {
                sqlx::query(BEAT)
                    .bind(node)
                    .bind(catalog_read_at)
                    .bind(idle_since)
                    .fetch_all(connection)
                    .await
            })
        });
        heard(&work.await.map_err(failed)?).map_err(failed)
    }

    async fn now(&self) -> Result<ClusterTime, ClusterError> {
        let work = self
            .database
            .run(|connection| Box::pin(async move { sqlx::query_scalar(NOW).fetch_one(connection).await }));
        work.await.map(ClusterTime).map_err(failed)
    }

    async fn count_lagging(&self, since: ClusterTime, silence: Duration) -> Result<u32, ClusterError> {
        self.count(UNAWARE, since, silence).await
    }

    async fn count_busy(&self, since: ClusterTime, silence: Duration) -> Result<u32, ClusterError> {
        self.count(BUSY, since, silence).await
    }

    async fn leave(&self, node: &NodeId) -> Result<(), ClusterError> {
        let node = node.to_string();
        let work = self.database.run(|connection| {
            Box::pin(async move { sqlx::query(LEAVE).bind(node).execute(connection).await })
        });
        work.await.map(drop).map_err(failed)
    }

    async fn lease(&self, what: &str, node: &NodeId, period: Duration) -> Result<bool, ClusterError> {
        let (what, node) = (what.to_owned(), node.to_string());
        let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
        let work = self.database.run(move |connection| {
            Box::pin(async move {
                sqlx::query(LEASE).bind(what).bind(node).bind(period_ms).execute(connection).await
            })
        });
        Ok(work.await.map_err(failed)?.rows_affected() == 1)
    }

    async fn release(&self, what: &str, node: &NodeId) -> Result<(), ClusterError> {
        let (what, node) = (what.to_owned(), node.to_string());
        let work = self.database.run(|connection| {
            Box::pin(async move { sqlx::query(RELEASE).bind(what).bind(node).execute(connection).await })
        });
        work.await.map(drop).map_err(failed)
    }

    async fn open_recovery(&self, coupon: &CouponId) -> Result<Round, ClusterError> {
        let id = coupon.to_string();
        let work = self.database.run(|connection| {
            Box::pin(async move { sqlx::query_scalar(RECOVERY).bind(id).fetch_one(connection).await })
        });
        let round: i32 = work.await.map_err(failed)?;
        rows::sequence(Some(round)).map(Round).map_err(failed)
    }

    async fn halt_and_report(
        &self,
        open: &OpenRecovery,
        node: &NodeId,
        evidence: HighWatermark,
    ) -> Result<(), ClusterError> {
        let (id, round, node) = (open.coupon.to_string(), rows::integer(open.round.0), node.to_string());
        let (epoch, issued) = (as_bigint(evidence.epoch), rows::integer(evidence.issued));
        let work = self.database.run(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(TESTIFY).bind(id).bind(round).bind(node).bind(epoch).bind(issued);
                query.execute(connection).await
            })
        });
        work.await.map(drop).map_err(failed)
    }

    async fn node_reports(
        &self,
        open: &OpenRecovery,
        silence: Duration,
    ) -> Result<NodeReports, ClusterError> {
        let (id, round) = (open.coupon.to_string(), rows::integer(open.round.0));
        let silence_ms = i64::try_from(silence.as_millis()).unwrap_or(i64::MAX);
        let work = self.database.run(move |connection| {
            Box::pin(async move {
                sqlx::query(TESTIMONIES).bind(id).bind(round).bind(silence_ms).fetch_one(connection).await
            })
        });
        let row = work.await.map_err(failed)?;
        let read = || -> sqlx::Result<NodeReports> {
            let (missing, epoch): (i64, i64) = (row.try_get("missing")?, row.try_get("epoch")?);
            let issued = rows::sequence(row.try_get("issued")?)?;
            Ok(NodeReports {
                missing: u32::try_from(missing).unwrap_or(u32::MAX),
                evidence: HighWatermark { epoch: u64::try_from(epoch).unwrap_or(0), issued },
            })
        };
        read().map_err(failed)
    }

    async fn end_recovery(&self, open: &OpenRecovery, epoch: Epoch) -> Result<(), ClusterError> {
        let (id, round) = (open.coupon.to_string(), rows::integer(open.round.0));
        let work = self.database.run(move |connection| {
            Box::pin(async move {
                sqlx::query(RECOVERED).bind(id).bind(round).bind(as_bigint(epoch)).execute(connection).await
            })
        });
        work.await.map(drop).map_err(failed)
    }

    async fn is_open(&self, open: &OpenRecovery) -> Result<bool, ClusterError> {
        let (id, round) = (open.coupon.to_string(), rows::integer(open.round.0));
        let work = self.database.run(move |connection| {
            Box::pin(
                async move { sqlx::query_scalar(IS_OPEN).bind(id).bind(round).fetch_one(connection).await },
            )
        });
        work.await.map_err(failed)
    }
}

/// The answer to a beat: a row for each recovery, or one without if there is none.
fn heard(found: &[PgRow]) -> sqlx::Result<HeartbeatReply> {
    let first = found.first().ok_or(sqlx::Error::RowNotFound)?;
    let mut open = Vec::new();
    for row in found {
        let Some(coupon) = row.try_get::<Option<&str>, _>("coupon_id")? else { continue };
        let coupon = CouponId::parse(coupon).map_err(|error| sqlx::Error::Decode(error.into()))?;
        open.push(OpenRecovery { coupon, round: Round(rows::sequence(row.try_get("round")?)?) });
    }
    Ok(HeartbeatReply { open, now: ClusterTime(first.try_get("now")?) })
}

/// An epoch is a moment in milliseconds, which any `bigint` holds.
fn as_bigint(epoch: Epoch) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

fn failed(error: sqlx::Error) -> ClusterError {
    ClusterError(cause(error))
}
