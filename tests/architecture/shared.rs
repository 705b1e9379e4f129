//! The services that all tests of a run share, and the lifetime of a test's own database.

use lapin::{Connection, ConnectionProperties};
use redis::AsyncTypedCommands;
use sqlx::{Connection as _, PgConnection};

use crate::support::shared;

#[tokio::test]
async fn the_services_of_the_run_answer() {
    let client = redis::Client::open(shared::redis_url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    assert_eq!(redis.ping().await.unwrap(), "PONG");

    let amqp = Connection::connect(&shared::amqp_url(), ConnectionProperties::default()).await.unwrap();
    assert!(amqp.status().connected());
}

#[tokio::test]
async fn a_database_lives_as_long_as_its_handle() {
    let database = shared::Database::create().await;
    let url = database.url().to_owned();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let durable: String =
        sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut connection).await.unwrap();
    assert_eq!(durable, "on");
    // An open connection does not keep the database alive.
    drop(database);
    PgConnection::connect(&url).await.expect_err("the database is gone");
}

#[test]
fn generated_names_are_unique() {
    assert_ne!(shared::coupon_id(), shared::coupon_id());
    assert_ne!(shared::amqp_namespace(), shared::amqp_namespace());
}
