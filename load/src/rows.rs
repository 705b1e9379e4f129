//! The rows of a coupon in PostgreSQL.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgPool, PgPoolOptions};

const CONNECT_BOUND: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// A load may wait for one count while another is made.
const CONNECTIONS: u32 = 2;

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuanceRow {
    pub sequence: i32,
    pub member_id: String,
    pub code: String,
}

/// Reads the table of issuances, and never writes to it.
#[derive(Clone, Debug)]
pub struct IssuanceTable(PgPool);

#[derive(Debug, thiserror::Error)]
#[error("the rows cannot be read: {0}; --database-url names the database that openrun writes to")]
pub struct IssuanceTableError(#[from] sqlx::Error);

impl IssuanceTable {
    /// Connects to `postgres://...`.
    pub async fn connect(database_url: &str) -> Result<Self, IssuanceTableError> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT_BOUND);
        Ok(Self(pool.connect(database_url).await?))
    }

    pub async fn count(&self, coupon: &str) -> Result<u64, IssuanceTableError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM coupon_issuances WHERE coupon_id = $1")
            .bind(coupon)
            .fetch_one(&self.0)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Returns all rows of the coupon in the order of their sequences.
    pub async fn fetch(&self, coupon: &str) -> Result<Vec<IssuanceRow>, IssuanceTableError> {
        let rows = sqlx::query_as(
            "SELECT sequence, member_id, code FROM coupon_issuances WHERE coupon_id = $1 ORDER BY sequence",
        );
        let rows: Vec<(i32, String, String)> = rows.bind(coupon).fetch_all(&self.0).await?;
        let row = |(sequence, member_id, code)| IssuanceRow { sequence, member_id, code };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Waits until the coupon has `count` rows, at most for `bound`. Returns the number of rows then.
    pub async fn wait_for_count(
        &self,
        coupon: &str,
        count: u64,
        bound: Duration,
    ) -> Result<u64, IssuanceTableError> {
        let deadline = Instant::now() + bound;
        loop {
            let there = self.count(coupon).await?;
            if there >= count || Instant::now() >= deadline {
                return Ok(there);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
