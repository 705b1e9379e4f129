//! A schema is accepted only if it is exactly that of the program's migrations.

use openrun::persistence::postgres::{SchemaError, check, migrate};

use crate::fixtures::{Stage, connect};
use crate::support::shared;

#[tokio::test]
async fn repeated_and_concurrent_migrations_are_idempotent() {
    let home = shared::Database::create().await;
    let database = connect(home.url()).await;
    let both = futures_util::future::join(migrate(&database), migrate(&database)).await;
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    migrate(&database).await.unwrap();
    check(&database).await.unwrap();
}

#[tokio::test]
async fn an_empty_database_is_refused_and_left_empty() {
    let home = shared::Database::create().await;
    let database = connect(home.url()).await;
    let error = check(&database).await.unwrap_err();
    assert!(matches!(error, SchemaError::Missing), "{error}");
    assert!(error.to_string().contains("`openrun migrate`"), "{error}");
    // The check has created nothing.
    assert!(matches!(check(&database).await, Err(SchemaError::Missing)));
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused_by_check_and_migrate() {
    let stage = Stage::new(10).await;
    stage
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (999, 'of the future', true, '\\x00', 0)",
        )
        .await
        .unwrap();
    assert!(matches!(check(&stage.database).await, Err(SchemaError::Newer { found: 999, .. })));
    assert!(matches!(migrate(&stage.database).await, Err(SchemaError::Newer { found: 999, .. })));
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let stage = Stage::new(10).await;
    stage.execute("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1").await.unwrap();
    assert!(matches!(check(&stage.database).await, Err(SchemaError::Tampered(1))));
    assert!(matches!(migrate(&stage.database).await, Err(SchemaError::Tampered(1))));
}

#[tokio::test]
async fn a_half_done_migration_is_refused() {
    let stage = Stage::new(10).await;
    stage.execute("UPDATE _sqlx_migrations SET success = false WHERE version = 1").await.unwrap();
    assert!(matches!(check(&stage.database).await, Err(SchemaError::Dirty(1))));
}
