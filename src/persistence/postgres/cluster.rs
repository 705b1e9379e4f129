//! Heartbeats, leases and recoveries of the cluster, in tables of PostgreSQL and by its clock.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::database::{Database, Statement};
use super::errors::cause;
use super::rows::{self, integer};
use crate::domain::CouponId;
use crate::ports::{
    Cluster, ClusterError, ClusterTime, CouponLives, Epoch, Heartbeat, HeartbeatReply, HighWatermark, Life,
    NodeId, NodeReports, OpenRecovery, Role, Round,
};

/// Also deletes nodes without a heartbeat for an hour.
const HEARTBEAT: &str = "WITH beat AS (
        INSERT INTO nodes (id, seen_at, aware, hands_free, server) VALUES ($1, now(), $2, $3, $4)
        ON CONFLICT (id) DO UPDATE SET seen_at = now(), aware = EXCLUDED.aware,
            hands_free = EXCLUDED.hands_free, server = EXCLUDED.server
    ), gone AS (
        DELETE FROM nodes WHERE seen_at < now() - interval '1 hour' AND id <> $1
    )
    SELECT (extract(epoch FROM now()) * 1000000)::bigint AS now, open.coupon_id, open.round
    FROM (SELECT) AS one LEFT JOIN coupon_recoveries AS open ON open.is_open ORDER BY open.coupon_id";

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

const LAGGING: &str = "SELECT count(*) FROM nodes
    WHERE seen_at > now() - $2 * interval '1 millisecond' AND COALESCE(aware, 0) < $1";

/// A report of idleness counts for two seconds, which are four heartbeats.
const BUSY: &str = "SELECT count(*) FROM nodes
    WHERE seen_at > now() - $2 * interval '1 millisecond'
        AND COALESCE(hands_free, 0) < GREATEST($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 2000000)";

const LEAVE: &str = "DELETE FROM nodes WHERE id = $1";

/// Only the lease holder updates the row, or another node once the lease has ended.
const LEASE: &str =
    "INSERT INTO leases (what, node, ends_at) VALUES ($1, $2, now() + $3 * interval '1 millisecond')
    ON CONFLICT (what) DO UPDATE SET node = EXCLUDED.node, ends_at = EXCLUDED.ends_at
    WHERE leases.node = EXCLUDED.node OR leases.ends_at < now()";

const RELEASE: &str = "DELETE FROM leases WHERE what = $1 AND node = $2";

/// Also records the server of the node, so that the node counts as living on it before its next heartbeat.
const RECOVERY: &str = "WITH on_server AS (
        UPDATE nodes SET server = $3 WHERE id = $2
    )
    INSERT INTO coupon_recoveries (coupon_id, round, is_open, server) VALUES ($1, 1, true, $3)
    ON CONFLICT (coupon_id) DO UPDATE SET
        round = coupon_recoveries.round + CASE WHEN coupon_recoveries.is_open THEN 0 ELSE 1 END,
        server = CASE WHEN coupon_recoveries.is_open THEN coupon_recoveries.server ELSE EXCLUDED.server END,
        is_open = true
    RETURNING round";

const CURRENT_LIFE: &str =
    "SELECT epoch, server FROM coupon_lives WHERE coupon_id = $1 ORDER BY round DESC LIMIT 1";

/// Two nodes may begin the first life at the same time; the later one reads the row of the earlier one.
const BEGIN_LIFE: &str = "INSERT INTO coupon_lives (coupon_id, round, epoch, server, how)
    SELECT id, 0, $2, $3, 'load' FROM coupons
    WHERE id = $1 AND NOT EXISTS (SELECT FROM coupon_lives WHERE coupon_id = $1)
    ON CONFLICT DO NOTHING";

const ON_CURRENT_SERVER: &str = "SELECT count(*) FROM nodes
    WHERE seen_at > now() - $2 * interval '1 millisecond'
        AND server = (SELECT server FROM coupon_lives WHERE coupon_id = $1 ORDER BY round DESC LIMIT 1)";

const REPORT: &str = "INSERT INTO coupon_testimonies (coupon_id, round, node, epoch, issued)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (coupon_id, round, node) DO UPDATE SET
        epoch = GREATEST(coupon_testimonies.epoch, EXCLUDED.epoch),
        issued = GREATEST(coupon_testimonies.issued, EXCLUDED.issued)";

const REPORTS: &str = "WITH reports AS (
        SELECT node, epoch, issued FROM coupon_testimonies WHERE coupon_id = $1 AND round = $2
    )
    SELECT
        (SELECT count(*) FROM nodes
            WHERE seen_at > now() - $3 * interval '1 millisecond' AND id NOT IN (SELECT node FROM reports)) AS missing,
        GREATEST(recovery.epoch, (SELECT max(epoch) FROM reports)) AS epoch,
        COALESCE((SELECT max(issued) FROM reports), 0) AS issued
    FROM coupon_recoveries AS recovery WHERE coupon_id = $1";

const RECOVERED: &str = "WITH ended AS (
        UPDATE coupon_recoveries SET is_open = false, epoch = GREATEST(epoch, $3)
        WHERE coupon_id = $1 AND round = $2 AND is_open RETURNING round
    ), begun AS (
        INSERT INTO coupon_lives (coupon_id, round, epoch, server, how)
        SELECT $1, round, $3, $4, $5 FROM ended
    ), accounted AS (
        DELETE FROM lost_numbers WHERE coupon_id = $1 AND round <= $2
    )
    DELETE FROM coupon_testimonies WHERE coupon_id = $1 AND round <= $2";

/// Whether a node on this server may lead; no row after the end of the recovery. Older nodes name no server.
const MAY_LEAD: &str = "SELECT recovery.server IS NULL OR recovery.server = $3 OR NOT EXISTS (
        SELECT FROM nodes WHERE seen_at > now() - $4 * interval '1 millisecond' AND server = recovery.server)
    FROM coupon_recoveries AS recovery WHERE coupon_id = $1 AND round = $2 AND is_open";

/// The cluster of the nodes that share one PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresCluster {
    database: Database,
}

impl PostgresCluster {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Counts the nodes that `query` finds, without those that are presumed dead after `silence`.
    async fn count(
        &self,
        query: &'static str,
        since: ClusterTime,
        silence: Duration,
    ) -> Result<u32, ClusterError> {
        let statement = sqlx::query(query).bind(since.0).bind(millis(silence));
        let count: i64 = self.database.fetch_value(statement).await.map_err(failed)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

#[async_trait]
impl Cluster for PostgresCluster {
    async fn heartbeat(&self, heartbeat: Heartbeat<'_>) -> Result<HeartbeatReply, ClusterError> {
        let Heartbeat { node, catalog_read_at, idle_since, server } = heartbeat;
        let statement = sqlx::query(HEARTBEAT).bind(node.to_string());
        let statement =
            statement.bind(catalog_read_at.map(|time| time.0)).bind(idle_since.map(|time| time.0));
        let statement = statement.bind(server.map(str::to_owned));
        let rows = self.database.fetch_all(statement).await.map_err(failed)?;
        heartbeat_reply(&rows).map_err(failed)
    }

    async fn now(&self) -> Result<ClusterTime, ClusterError> {
        self.database.fetch_value(sqlx::query(NOW)).await.map(ClusterTime).map_err(failed)
    }

    async fn count_lagging(&self, since: ClusterTime, silence: Duration) -> Result<u32, ClusterError> {
        self.count(LAGGING, since, silence).await
    }

    async fn count_busy(&self, since: ClusterTime, silence: Duration) -> Result<u32, ClusterError> {
        self.count(BUSY, since, silence).await
    }

    async fn leave(&self, node: &NodeId) -> Result<(), ClusterError> {
        let statement = sqlx::query(LEAVE).bind(node.to_string());
        self.database.execute(statement).await.map(drop).map_err(failed)
    }

    async fn lease(&self, name: &str, node: &NodeId, period: Duration) -> Result<bool, ClusterError> {
        let statement = sqlx::query(LEASE).bind(name).bind(node.to_string()).bind(millis(period));
        Ok(self.database.execute(statement).await.map_err(failed)? == 1)
    }

    async fn release(&self, name: &str, node: &NodeId) -> Result<(), ClusterError> {
        let statement = sqlx::query(RELEASE).bind(name).bind(node.to_string());
        self.database.execute(statement).await.map(drop).map_err(failed)
    }

    async fn count_on_current_server(
        &self,
        coupon: &CouponId,
        silence: Duration,
    ) -> Result<u32, ClusterError> {
        let statement = sqlx::query(ON_CURRENT_SERVER).bind(coupon.as_str()).bind(millis(silence));
        let count: i64 = self.database.fetch_value(statement).await.map_err(failed)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn open_recovery(
        &self,
        coupon: &CouponId,
        node: &NodeId,
        server: &str,
    ) -> Result<Round, ClusterError> {
        let statement = sqlx::query(RECOVERY).bind(coupon.as_str());
        let statement = statement.bind(node.to_string()).bind(server.to_owned());
        let round: i32 = self.database.fetch_value(statement).await.map_err(failed)?;
        rows::sequence(Some(round)).map(Round).map_err(failed)
    }

    async fn report(
        &self,
        open: &OpenRecovery,
        node: &NodeId,
        evidence: HighWatermark,
    ) -> Result<(), ClusterError> {
        let statement = bound_to(open, REPORT).bind(node.to_string());
        let statement = statement.bind(as_bigint(evidence.epoch)).bind(integer(evidence.issued));
        self.database.execute(statement).await.map(drop).map_err(failed)
    }

    async fn node_reports(
        &self,
        open: &OpenRecovery,
        silence: Duration,
    ) -> Result<NodeReports, ClusterError> {
        let statement = bound_to(open, REPORTS).bind(millis(silence));
        let row = self.database.fetch_one(statement).await.map_err(failed)?;
        node_reports(&row).map_err(failed)
    }

    async fn end_recovery(&self, open: &OpenRecovery, life: &Life, how: &str) -> Result<(), ClusterError> {
        let statement = bound_to(open, RECOVERED).bind(as_bigint(life.epoch));
        let statement = statement.bind(life.server.clone()).bind(how.to_owned());
        self.database.execute(statement).await.map(drop).map_err(failed)
    }

    async fn role(&self, open: &OpenRecovery, server: &str, silence: Duration) -> Result<Role, ClusterError> {
        let statement = bound_to(open, MAY_LEAD).bind(server.to_owned()).bind(millis(silence));
        let row = self.database.fetch_optional(statement).await.map_err(failed)?;
        let may_lead: Option<bool> = row.map(|row| row.try_get(0)).transpose().map_err(failed)?;
        Ok(match may_lead {
            None => Role::Ended,
            Some(true) => Role::Leader,
            Some(false) => Role::Follower,
        })
    }
}

#[async_trait]
impl CouponLives for PostgresCluster {
    async fn current_life(&self, coupon: &CouponId) -> Result<Option<Life>, ClusterError> {
        let statement = sqlx::query(CURRENT_LIFE).bind(coupon.as_str());
        let row = self.database.fetch_optional(statement).await.map_err(failed)?;
        row.as_ref().map(life).transpose().map_err(failed)
    }

    async fn begin_life(&self, coupon: &CouponId, begun: &Life) -> Result<Life, ClusterError> {
        let statement = sqlx::query(BEGIN_LIFE).bind(coupon.as_str());
        let statement = statement.bind(as_bigint(begun.epoch)).bind(begun.server.clone());
        self.database.execute(statement).await.map_err(failed)?;
        let statement = sqlx::query(CURRENT_LIFE).bind(coupon.as_str());
        let row = self.database.fetch_optional(statement).await.map_err(failed)?;
        row.as_ref().map_or_else(|| Ok(begun.clone()), life).map_err(failed)
    }
}

fn life(row: &PgRow) -> sqlx::Result<Life> {
    let epoch: i64 = row.try_get("epoch")?;
    Ok(Life { epoch: u64::try_from(epoch).unwrap_or(0), server: row.try_get("server")? })
}

/// A statement on one recovery, whose first arguments are coupon and round.
fn bound_to(open: &OpenRecovery, sql: &'static str) -> Statement {
    sqlx::query(sql).bind(open.coupon.as_str()).bind(integer(open.round.0))
}

fn node_reports(row: &PgRow) -> sqlx::Result<NodeReports> {
    let missing: i64 = row.try_get("missing")?;
    let epoch: i64 = row.try_get("epoch")?;
    let issued = rows::sequence(row.try_get("issued")?)?;
    Ok(NodeReports {
        missing: u32::try_from(missing).unwrap_or(u32::MAX),
        evidence: HighWatermark { epoch: u64::try_from(epoch).unwrap_or(0), issued },
    })
}

/// The answer to a heartbeat has one row per open recovery, or one row without a coupon if there is none.
fn heartbeat_reply(rows: &[PgRow]) -> sqlx::Result<HeartbeatReply> {
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let mut open = Vec::new();
    for row in rows {
        let Some(coupon) = row.try_get::<Option<&str>, _>("coupon_id")? else { continue };
        let coupon = CouponId::parse(coupon).map_err(|error| sqlx::Error::Decode(error.into()))?;
        open.push(OpenRecovery { coupon, round: Round(rows::sequence(row.try_get("round")?)?) });
    }
    Ok(HeartbeatReply { open, now: ClusterTime(first.try_get("now")?) })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// An epoch is a time in milliseconds, so it fits into a `bigint`.
fn as_bigint(epoch: Epoch) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

fn failed(error: sqlx::Error) -> ClusterError {
    ClusterError(cause(error))
}
