//! The contract against the engines in PostgreSQL, with a database per test, and the cases of a crash with a server per
//! test.

use std::sync::Arc;

use async_trait::async_trait;
use openrun::domain::{Coupon, Inventory, MAX_TOTAL};
use openrun::persistence::postgres::{
    Database, DatabaseSettings, Locking, PostgresCatalog, PostgresEngine, migrate,
};
use openrun::ports::{AdmissionEngine, CouponCatalog};
use sqlx::{Connection, PgConnection};

use crate::services_support::services::PrivatePostgres;
use crate::services_support::shared;
use crate::suite::{Fixture, engine_contract};

engine_contract!(pessimistic, crate::postgres::pessimistic_nodes);
engine_contract!(optimistic, crate::postgres::optimistic_nodes);

/// Nodes of both engines run side by side while an operator changes the setting.
mod mixed {
    crate::suite::contract_cases! { crate::postgres::mixed_nodes;
        concurrency: [
            ten_thousand_members_at_once_get_a_thousand_coupons,
            one_member_on_many_nodes_at_once_gets_one_coupon,
        ],
        property: [any_sequence_of_steps_agrees_with_the_model],
    }
}

mod private_server {
    crate::suite::contract_cases! { crate::postgres::nodes_on_a_private_server;
        crash: [answers_survive_a_crash, issuing_continues_after_a_crash, changes_of_operators_survive_a_crash],
    }
}

async fn pessimistic_nodes() -> impl Fixture {
    both(Locking::Pessimistic).await
}

async fn optimistic_nodes() -> impl Fixture {
    both(Locking::Optimistic).await
}

async fn mixed_nodes() -> impl Fixture {
    Nodes::in_a_database([Locking::Pessimistic, Locking::Optimistic]).await
}

async fn nodes_on_a_private_server() -> impl Fixture {
    let server = PrivatePostgres::start().await;
    let url = server.url();
    Nodes::at(url, [Locking::Pessimistic, Locking::Optimistic], Home::Server(Box::new(server))).await
}

enum Home {
    /// In the PostgreSQL that all tests of the run share.
    Database { _kept: shared::Database },
    /// A server that the test may kill.
    Server(Box<PrivatePostgres>),
}

/// Two nodes, each with its own connections.
pub(crate) struct Nodes {
    pub(crate) url: String,
    locking: [Locking; 2],
    nodes: [Database; 2],
    home: Home,
}

impl Nodes {
    pub(crate) async fn in_a_database(locking: [Locking; 2]) -> Self {
        let database = shared::Database::create().await;
        Self::at(database.url().to_owned(), locking, Home::Database { _kept: database }).await
    }

    async fn at(url: String, locking: [Locking; 2], home: Home) -> Self {
        let nodes = [open(&url).await, open(&url).await];
        migrate(&nodes[0]).await.expect("an empty database can be migrated");
        Self { url, locking, nodes, home }
    }

    pub(crate) fn catalog(&self) -> PostgresCatalog {
        PostgresCatalog::new(self.nodes[0].clone())
    }

    fn node(&self, number: usize) -> Arc<dyn AdmissionEngine> {
        Arc::new(PostgresEngine::new(self.nodes[number].clone(), self.locking[number]))
    }
}

async fn open(url: &str) -> Database {
    // Tests share the PostgreSQL of the run.
    let settings =
        DatabaseSettings { max_connections: 6, ..DatabaseSettings::deciding(url.to_owned().into()) };
    Database::connect(&settings).await.expect("PostgreSQL is there")
}

/// Ends all other connections, also in the middle of a statement.
async fn end_connections(url: &str) {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL is there");
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut connection)
    .await
    .expect("a superuser may do that");
}

#[async_trait]
impl Fixture for Nodes {
    fn engine(&self) -> Arc<dyn AdmissionEngine> {
        self.node(0)
    }

    fn second_node_engine(&self) -> Arc<dyn AdmissionEngine> {
        self.node(1)
    }

    /// The service raises a total in the catalogue before the engine. The cases raise it in the engine only, so the
    /// catalogue begins with the maximum.
    async fn introduce(&self, coupon: &Coupon) {
        let inventory = Inventory::new(MAX_TOTAL).expect("it is the largest");
        let listed = Coupon { inventory, ..coupon.clone() };
        self.catalog().create(&listed).await.expect("a new coupon is created");
        self.engine().load(coupon).await.expect("a created coupon is loaded");
    }

    async fn reopen(&mut self) {
        match &mut self.home {
            Home::Database { .. } => end_connections(&self.url).await,
            Home::Server(server) => {
                server.kill();
                server.restart().await;
            }
        }
        self.nodes = [open(&self.url).await, open(&self.url).await];
    }
}

/// Two nodes of the same engine.
pub(crate) async fn both(locking: Locking) -> Nodes {
    Nodes::in_a_database([locking, locking]).await
}
