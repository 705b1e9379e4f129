//! The writing connection: its settings, and its recovery after failures.

use sqlx::{Connection, Row};
use tempfile::TempDir;

use super::{SqliteConnection, SqliteDatabase};
use crate::persistence::sqlite::failure::engine_error;
use crate::ports::EngineError;

async fn database() -> (SqliteDatabase, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (SqliteDatabase::open(directory.path()).await.unwrap(), directory)
}

async fn pragma(connection: &mut SqliteConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query(sql).fetch_one(connection).await?.try_get(0)
}

async fn bump(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let sql = "UPDATE engine_revision SET revision = revision + 1 RETURNING revision";
    sqlx::query(sql).fetch_one(connection).await?.try_get("revision")
}

async fn write_bump(database: &SqliteDatabase) -> i64 {
    database.write(|c| Box::pin(bump(c))).await.unwrap()
}

#[tokio::test]
async fn the_writer_syncs_every_commit_also_after_a_reconnect() {
    let (database, _directory) = database().await;
    for _ in 0..2 {
        let full = database.write(|c| Box::pin(pragma(c, "PRAGMA synchronous"))).await.unwrap();
        let keys = database.write(|c| Box::pin(pragma(c, "PRAGMA foreign_keys"))).await.unwrap();
        assert_eq!((full, keys), (2, 1), "2 is FULL");
        let failure = database.write(|c| Box::pin(pragma(c, "SELECT nothing"))).await;
        assert!(failure.is_err());
    }
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (database, _directory) = database().await;
    let outcome = sqlx::query("UPDATE engine_revision SET revision = 9").execute(database.readers()).await;
    assert!(outcome.is_err());
}

#[tokio::test]
async fn a_failed_write_is_rolled_back_and_the_next_one_succeeds() {
    let (database, _directory) = database().await;
    let failure: Result<(), _> = database
        .write(|c| {
            Box::pin(async move {
                bump(c).await?;
                Err(sqlx::Error::RowNotFound)
            })
        })
        .await;
    assert!(failure.is_err());
    assert_eq!(write_bump(&database).await, 1);
}

#[tokio::test]
async fn a_panic_is_rolled_back_and_the_next_write_succeeds() {
    let (database, _directory) = database().await;
    let failure: Result<(), _> = database
        .write(|c| {
            Box::pin(async move {
                bump(c).await?;
                panic!("on purpose")
            })
        })
        .await;
    assert!(failure.is_err());
    assert_eq!(write_bump(&database).await, 1);
}

#[tokio::test]
async fn a_full_disk_fails_the_write_and_the_next_one_succeeds() {
    let (database, _directory) = database().await;
    let failure: Result<(), _> = database
        .write(|c| {
            Box::pin(async move {
                bump(c).await?;
                // SQLite raises the limit to the present size of the file.
                sqlx::query("PRAGMA max_page_count = 1").execute(&mut *c).await?;
                let grow = "CREATE TABLE large AS
                    WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 100)
                    SELECT zeroblob(4000) FROM n";
                sqlx::query(grow).execute(&mut *c).await?;
                Ok(())
            })
        })
        .await;
    let error = failure.unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert!(matches!(engine_error(error), EngineError::Unavailable(_)), "a full disk rejects no member");
    assert_eq!(write_bump(&database).await, 1, "the failed write left nothing, the next one is stored");
}

#[tokio::test]
async fn a_transaction_without_changes_does_not_touch_the_disk() {
    let (database, directory) = database().await;
    write_bump(&database).await;
    let log = || std::fs::metadata(directory.path().join("openrun.sqlite-wal")).unwrap();
    let before = (log().len(), log().modified().unwrap());
    database.write(|c| Box::pin(pragma(c, "SELECT revision FROM engine_revision"))).await.unwrap();
    assert_eq!((log().len(), log().modified().unwrap()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_caller_does_not_interrupt_the_transaction() {
    let (database, _directory) = database().await;
    let (started, has_started) = tokio::sync::oneshot::channel();
    let (resume, may_resume) = tokio::sync::oneshot::channel::<()>();
    let caller = {
        let database = database.clone();
        tokio::spawn(
            async move { database.write(move |c| Box::pin(bump_slowly(c, started, may_resume))).await },
        )
    };
    has_started.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    resume.send(()).unwrap();
    assert_eq!(write_bump(&database).await, 2, "the first one was committed, too");
}

async fn bump_slowly(
    connection: &mut SqliteConnection,
    started: tokio::sync::oneshot::Sender<()>,
    may_resume: tokio::sync::oneshot::Receiver<()>,
) -> Result<i64, sqlx::Error> {
    connection.ping().await?;
    started.send(()).ok();
    may_resume.await.map_err(|_| sqlx::Error::RowNotFound)?;
    bump(connection).await
}
