//! Databases, coupons and issuances of the tests.

use openrun::domain::{
    CodeSalt, Coupon, CouponId, Inventory, IssuanceStatus, IssuedCoupon, MemberId, NewCoupon, SalePeriod,
    Sequence, Terms, Timestamp,
};
use openrun::persistence::postgres::{Database, DatabaseSettings, PostgresCatalog, PostgresStore, migrate};
use openrun::ports::{ConflictFilter, CouponCatalog, KeptConflict, Quarantine};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::shared;

/// A migrated database with the coupon `drop`, used by one test.
pub(crate) struct Stage {
    pub(crate) database: Database,
    pub(crate) store: PostgresStore,
    pub(crate) catalog: PostgresCatalog,
    home: shared::Database,
}

impl Stage {
    /// `total` is that of `drop`.
    pub(crate) async fn new(total: u32) -> Self {
        let home = shared::Database::create().await;
        let database = connect(home.url()).await;
        migrate(&database).await.expect("an empty database can be migrated");
        let (store, catalog) = (PostgresStore::new(database.clone()), PostgresCatalog::new(database.clone()));
        catalog.create(&coupon("drop", total)).await.expect("an empty catalogue takes a coupon");
        Self { database, store, catalog, home }
    }

    /// Runs `statement` outside openrun.
    pub(crate) async fn execute(&self, statement: &str) -> sqlx::Result<u64> {
        execute(self.home.url(), statement).await
    }

    pub(crate) fn url(&self) -> &str {
        self.home.url()
    }

    pub(crate) async fn delete_issuances(&self) {
        self.execute("DELETE FROM coupon_issuances").await.expect("rows can be deleted");
    }

    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        let mut connection = PgConnection::connect(self.home.url()).await.expect("the database is there");
        sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("it is a query for one number")
    }
}

/// The conflicts of `drop`, either settled or open ones.
pub(crate) async fn conflicts(stage: &Stage, are_settled: bool) -> Vec<KeptConflict> {
    let which = ConflictFilter { coupon: Some(id("drop")), are_settled, after: 0, limit: 10 };
    stage.store.conflicts(&which).await.expect("the database answers")
}

pub(crate) async fn execute(url: &str, statement: &str) -> sqlx::Result<u64> {
    let mut connection = PgConnection::connect(url).await?;
    let done = connection.execute(AssertSqlSafe(statement.to_owned())).await?;
    connection.close().await?;
    Ok(done.rows_affected())
}

pub(crate) fn settings(url: &str) -> DatabaseSettings {
    DatabaseSettings::new(url.to_owned().into())
}

pub(crate) async fn connect(url: &str) -> Database {
    Database::connect(&settings(url)).await.expect("the database is there")
}

pub(crate) fn id(text: &str) -> CouponId {
    CouponId::parse(text).expect("it is valid")
}

pub(crate) fn coupon(name: &str, total: u32) -> Coupon {
    let new = NewCoupon {
        id: id(name),
        terms: Terms::new("Drop", "A line\nand another", "30%").expect("it is valid"),
        inventory: Inventory::new(total).expect("it is valid"),
        window: SalePeriod::new(Timestamp::from_ms(1_001), Some(Timestamp::from_ms(253_402_300_799_999)))
            .expect("it is valid"),
        valid_until: Some(Timestamp::from_ms(9_999)),
    };
    Coupon::create(new, CodeSalt::from_bytes([7; 32]), Timestamp::from_ms(123)).expect("it is valid")
}

/// An issuance of `drop`.
pub(crate) fn issuance(member: &str, sequence: Sequence) -> IssuedCoupon {
    let (coupon_id, member_id) = (id("drop"), MemberId::parse(member).expect("it is valid"));
    let code = CodeSalt::from_bytes([7; 32]).code(&coupon_id, &member_id);
    let issued_at = Timestamp::from_ms(1_795_226_400_000 + i64::from(sequence));
    IssuedCoupon { coupon_id, member_id, sequence, code, status: IssuanceStatus::Unused, issued_at }
}

/// Issuances of `drop`, each to another member.
pub(crate) fn issuances(sequences: impl IntoIterator<Item = Sequence>) -> Vec<IssuedCoupon> {
    sequences.into_iter().map(|sequence| issuance(&format!("member-{sequence}"), sequence)).collect()
}
