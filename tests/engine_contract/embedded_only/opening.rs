//! Opening, closing and reopening a data directory.

use openrun::domain::Verdict;
use openrun::persistence::sqlite::{OpenError, SqliteDatabase, SqliteIssuanceStore};
use openrun::ports::{EngineError, Quarantine};
use sqlx::Row;

use super::{database, engine, foreign_connection};
use crate::support::{admit_one, expect_issued, member, open_coupon};

#[tokio::test(flavor = "multi_thread")]
async fn issuances_survive_closing_and_dropping() {
    let (mut database, directory) = database().await;
    let coupon = open_coupon("drop", 3);
    engine(&database).load(&coupon).await.unwrap();
    let grant = expect_issued(admit_one(&*engine(&database), &coupon.id, &member("kim")).await);
    for closed in [true, false, true] {
        if closed {
            database.close().await;
            assert!(!directory.path().join("openrun.sqlite-wal").exists(), "closing leaves one file");
        }
        drop(database);
        database = SqliteDatabase::open(directory.path()).await.unwrap();
        assert_eq!(admit_one(&*engine(&database), &coupon.id, &member("kim")).await, Verdict::Again(grant));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_database_is_unavailable() {
    let (database, _directory) = database().await;
    let coupon = open_coupon("drop", 3);
    engine(&database).load(&coupon).await.unwrap();
    database.close().await;
    assert!(matches!(engine(&database).load(&coupon).await, Err(EngineError::Unavailable(_))));
    assert!(matches!(engine(&database).standing(&coupon.id).await, Err(EngineError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused_until_the_first_has_ended() {
    let (database, directory) = database().await;
    let error = SqliteDatabase::open(directory.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another openrun: stop that one"), "{error}");
    drop(database);
    SqliteDatabase::open(directory.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_directories_are_created_and_a_file_in_their_place_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let inner = parent.path().join("a/b");
    SqliteDatabase::open(&inner).await.unwrap();
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&inner.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700, "the directory holds a secret");
    }
    let file = parent.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = SqliteDatabase::open(&file.join("data")).await.unwrap_err();
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
    assert!(error.to_string().contains("give openrun a data directory it may write to"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_a_database_stays_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let (file, text) = (directory.path().join("openrun.sqlite"), "a shopping list\n".repeat(500));
    std::fs::write(&file, &text).unwrap();
    let error = SqliteDatabase::open(directory.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::NotOurs { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("openrun.sqlite"), "").unwrap();
    sqlx::query("CREATE TABLE theirs (x)")
        .execute(&mut foreign_connection(directory.path()).await)
        .await
        .unwrap();
    let error = SqliteDatabase::open(directory.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::NotOurs { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused() {
    let (database, directory) = database().await;
    database.close().await;
    drop(database);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9001, 'from the future', true, x'00', 0)";
    sqlx::query(newer).execute(&mut foreign_connection(directory.path()).await).await.unwrap();
    let error = SqliteDatabase::open(directory.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 9001, .. }), "{error:?}");
    assert!(error.to_string().contains("newer openrun (schema 9001"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_first_version_is_migrated_with_its_data() {
    let (database, directory) = database().await;
    database.close().await;
    drop(database);
    let mut connection = foreign_connection(directory.path()).await;
    for undone in [
        "ALTER TABLE issuance_quarantine DROP COLUMN settled_note",
        "ALTER TABLE issuance_quarantine DROP COLUMN settled_at_ms",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
        "INSERT INTO issuance_quarantine
            VALUES (7, 'drop', 1, 'kim', '00000-00000-00000-00000', 'UNUSED', 1, 'lee', 2)",
    ] {
        sqlx::query(undone).execute(&mut connection).await.unwrap();
    }
    let database = SqliteDatabase::open(directory.path()).await.unwrap();
    let kept =
        SqliteIssuanceStore::new(database).conflict(7).await.unwrap().expect("the conflict is still there");
    assert_eq!((kept.conflict.held.as_str(), kept.settlement), ("lee", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_in_write_ahead_mode() {
    let (_database, directory) = database().await;
    let row = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut foreign_connection(directory.path()).await)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), "wal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_opening_works_beside_a_serving_process_and_changes_nothing() {
    let (database, directory) = database().await;
    let coupon = open_coupon("drop", 3);
    engine(&database).load(&coupon).await.unwrap();
    let grant = expect_issued(admit_one(&*engine(&database), &coupon.id, &member("kim")).await);
    for served in [true, false] {
        if !served {
            database.close().await;
        }
        let file = directory.path().join("openrun.sqlite");
        let before = std::fs::read(&file).unwrap();
        let reading = SqliteDatabase::open_read_only(directory.path()).await.unwrap();
        let reader = engine(&reading);
        assert_eq!(reader.find(&coupon.id, &member("kim")).await.unwrap(), Some(grant));
        let refused = reader.load(&open_coupon("another", 3)).await;
        assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
        reading.close().await;
        assert!(before == std::fs::read(&file).unwrap(), "the file has changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_opening_creates_nothing_and_names_the_problem() {
    let empty = tempfile::tempdir().unwrap();
    let error = SqliteDatabase::open_read_only(empty.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Absent { .. }), "{error}");
    assert!(std::fs::read_dir(empty.path()).unwrap().next().is_none(), "something was created");
    std::fs::write(empty.path().join("openrun.sqlite"), "no database at all").unwrap();
    let error = SqliteDatabase::open_read_only(empty.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::NotOurs { .. }), "{error}");
    let (database, directory) = database().await;
    database.close().await;
    let mut connection = foreign_connection(directory.path()).await;
    for (version, expected) in [(99, "newer"), (0, "older")] {
        let sql = "UPDATE _sqlx_migrations SET version = $1
            WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
        sqlx::query(sql).bind(version).execute(&mut connection).await.unwrap();
        let error = SqliteDatabase::open_read_only(directory.path()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
