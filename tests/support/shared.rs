//! The services that `scripts/test` starts for the whole run, and the databases and names of one test in them.

use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;
use uuid::Uuid;

const REDIS_PATIENCE: Duration = Duration::from_secs(30);
const CLEAN_UP_BOUND: Duration = Duration::from_secs(10);

/// The Redis of the run, and in it the shared database: use a coupon of your own, see [`coupon_id`].
pub(crate) fn redis_url() -> String {
    setting("OPENRUN_TEST_REDIS_URL")
}

/// An empty database in the Redis of the run, for one test.
pub(crate) async fn own_redis_url() -> String {
    let mut shared = connect_redis(&redis_url()).await;
    let number: u32 = redis::cmd("INCR")
        .arg("openrun-test:databases")
        .query_async(&mut shared)
        .await
        .expect("Redis counts");
    format!("{}/{number}", redis_url())
}

/// The RabbitMQ of the run. Tests share it: prefix every name, see [`amqp_namespace`].
pub(crate) fn amqp_url() -> String {
    setting("OPENRUN_TEST_AMQP_URL")
}

/// A connection to the Redis at `url` with a longer response timeout than the crate's default, because another test may
/// keep the disk busy.
pub(crate) async fn connect_redis(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("the URL is good");
    let patience = AsyncConnectionConfig::new().set_response_timeout(Some(REDIS_PATIENCE));
    client.get_multiplexed_async_connection_with_config(&patience).await.expect("Redis answers")
}

/// A coupon id that no other test uses.
pub(crate) fn coupon_id() -> String {
    format!("c{}", Uuid::new_v4().simple())
}

/// A prefix for exchanges and queues that no other test uses.
pub(crate) fn amqp_namespace() -> String {
    format!("t{}", Uuid::new_v4().simple())
}

/// An empty database in the PostgreSQL of the run, for one test; dropped with the value.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    url: String,
}

impl Database {
    pub(crate) async fn create() -> Self {
        let mut url = Url::parse(&server_url()).expect("OPENRUN_TEST_DATABASE_URL is a URL");
        let name = format!("openrun_test_{}", Uuid::new_v4().simple());
        execute(format!("CREATE DATABASE {name}")).await.expect("the test database can be created");
        url.set_path(&name);
        Self { name, url: url.into() }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    /// On failure the database stays until the run's PostgreSQL is removed.
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A destructor cannot block on the runtime that calls it.
        let cleaner = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| {
                runtime.block_on(async {
                    tokio::time::timeout(CLEAN_UP_BOUND, execute(statement)).await.is_ok()
                })
            })
        });
        cleaner.join().ok();
    }
}

async fn execute(statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(&server_url()).await?;
    // The only variable part is a name made above.
    connection.execute(AssertSqlSafe(statement)).await?;
    connection.close().await
}

fn server_url() -> String {
    setting("OPENRUN_TEST_DATABASE_URL")
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run ./scripts/test (it starts private services), or `scripts/test --services-only`")
    })
}
