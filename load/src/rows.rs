//! The rows of a coupon in PostgreSQL, which is where a promise is kept in the end.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgPool, PgPoolOptions};

const CONNECT_BOUND: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// A load may be waiting for a count while another is being made.
const CONNECTIONS: u32 = 2;

/// One issuance, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place, from 1.
    pub sequence: i32,
    /// Whose it is.
    pub member_id: String,
    /// What they redeem.
    pub code: String,
}

/// A database that is read and never written to.
#[derive(Clone, Debug)]
pub struct Rows(PgPool);

/// Why the rows cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the rows cannot be read: {0}; --database-url names the database that openrun writes to")]
pub struct RowsError(#[from] sqlx::Error);

impl Rows {
    /// Connects to `postgres://...`.
    ///
    /// # Errors
    /// [`RowsError`]: nobody answers, or the address is none.
    pub async fn connect(database_url: &str) -> Result<Self, RowsError> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT_BOUND);
        Ok(Self(pool.connect(database_url).await?))
    }

    /// How many there are.
    ///
    /// # Errors
    /// [`RowsError`]
    pub async fn count(&self, coupon: &str) -> Result<u64, RowsError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM coupon_issuances WHERE coupon_id = $1")
            .bind(coupon)
            .fetch_one(&self.0)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// All of them, in order.
    ///
    /// # Errors
    /// [`RowsError`]
    pub async fn of(&self, coupon: &str) -> Result<Vec<Row>, RowsError> {
        let rows = sqlx::query_as(
            "SELECT sequence, member_id, code FROM coupon_issuances WHERE coupon_id = $1 ORDER BY sequence",
        );
        let rows: Vec<(i32, String, String)> = rows.bind(coupon).fetch_all(&self.0).await?;
        let row = |(sequence, member_id, code)| Row { sequence, member_id, code };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Waits until there are so many, at most for `bound`; gives how many there are then.
    ///
    /// # Errors
    /// [`RowsError`]
    pub async fn until(&self, coupon: &str, count: u64, bound: Duration) -> Result<u64, RowsError> {
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
