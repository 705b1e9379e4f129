//! Failed connections: one clear error for each cause.

use std::time::{Duration, Instant};

use openrun::persistence::postgres::{Database, DatabaseError, DatabaseSettings};
use sqlx::{Connection, PgConnection};

use crate::fixtures::{connect, execute, settings};
use crate::support::ports::free_port;
use crate::support::services::PrivatePostgres;
use crate::support::shared;

async fn connect_error(settings: &DatabaseSettings) -> DatabaseError {
    let error = Database::connect(settings).await.expect_err("the connection must fail");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    error
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let started = Instant::now();
    let error = connect_error(&settings(&format!("postgres://u:hunter2@127.0.0.1:{}/d", free_port()))).await;
    assert!(matches!(error, DatabaseError::Unreachable { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_silent_server_is_unreachable() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u:hunter2@{}/d", silent.local_addr().unwrap());
    let error = connect_error(&DatabaseSettings { acquire_timeout_ms: 300, ..settings(&url) }).await;
    assert!(matches!(error, DatabaseError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_missing_database_is_named() {
    let home = shared::Database::create().await;
    let error = connect_error(&settings(&format!("{}_missing", home.url()))).await;
    assert!(matches!(error, DatabaseError::NoSuchDatabase { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_may_lose_commits_is_refused() {
    let home = shared::Database::create().await;
    let name = home.url().rsplit('/').next().unwrap();
    execute(home.url(), &format!("ALTER DATABASE {name} SET synchronous_commit = off")).await.unwrap();
    let error = connect_error(&settings(home.url())).await;
    assert_eq!(
        error.to_string(),
        "PostgreSQL may lose commits in a crash: synchronous_commit is \"off\", but must not be off"
    );
}

#[tokio::test]
async fn private_a_wrong_password_is_refused() {
    let server = PrivatePostgres::start().await;
    let rules = "scram-sha-256";
    execute(&server.url(), "CREATE ROLE shop LOGIN PASSWORD 'right'").await.unwrap();
    // The role `shop` needs a password from now on, the superuser of the test does not.
    let file: String = {
        let mut connection = PgConnection::connect(&server.url()).await.unwrap();
        sqlx::query_scalar("SHOW hba_file").fetch_one(&mut connection).await.unwrap()
    };
    let trusted = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("host all shop 127.0.0.1/32 {rules}\n{trusted}")).unwrap();
    execute(&server.url(), "SELECT pg_reload_conf()").await.unwrap();
    let wrong = format!("postgres://shop:hunter2@127.0.0.1:{}/postgres", server.port());
    for _ in 0..50 {
        // The server reloads its settings asynchronously.
        match Database::connect(&settings(&wrong)).await {
            Ok(database) => database.close().await,
            Err(error) => {
                assert!(matches!(error, DatabaseError::Refused { .. }), "{error}");
                assert!(!error.to_string().contains("hunter2"), "{error}");
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a wrong password was accepted");
}

#[tokio::test]
async fn the_pool_does_not_grow_beyond_its_bound() {
    let home = shared::Database::create().await;
    let database =
        Database::connect(&DatabaseSettings { max_connections: 2, ..settings(home.url()) }).await.unwrap();
    let store = openrun::persistence::postgres::PostgresStore::new(database.clone());
    openrun::persistence::postgres::migrate(&database).await.unwrap();
    let coupon = crate::fixtures::id("drop");
    let queries = (0..50).map(|_| openrun::ports::IssuanceStore::highest(&store, &coupon));
    for answer in futures_util::future::join_all(queries).await {
        assert_eq!(answer.unwrap(), 0);
    }
    assert!(database.connections().0 <= 2);
    drop(connect(home.url()).await);
}
