//! The contract against the engines in PostgreSQL, in a database of each test's own; what a server that is killed keeps,
//! on a server of each test's own.

use std::sync::Arc;

use async_trait::async_trait;
use openrun::domain::{Coupon, Inventory, MAX_TOTAL};
use openrun::persistence::postgres::{
    Database, DatabaseSettings, Locking, PostgresCatalog, PostgresEngine, migrate,
};
use openrun::ports::{AdmissionEngine, CouponCatalog};
use sqlx::{Connection, PgConnection};

use crate::house::services::PrivatePostgres;
use crate::house::shared;
use crate::suite::{Fixture, engine_contract};

engine_contract!(pessimistic, crate::postgres::pessimistic_nodes);
engine_contract!(optimistic, crate::postgres::optimistic_nodes);

/// Whoever changes the setting need not stop every node at once.
mod mixed {
    crate::suite::contract_cases! { crate::postgres::mixed_nodes;
        concurrency: [
            ten_thousand_members_at_once_get_a_thousand_coupons,
            one_member_on_many_nodes_at_once_gets_one_coupon,
        ],
        property: [any_sequence_of_steps_does_what_the_model_does],
    }
}

mod private_server {
    crate::suite::contract_cases! { crate::postgres::nodes_on_a_server_that_dies;
        crash: [what_was_answered_survives, issuing_goes_on_where_it_was, changes_of_operators_survive],
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

async fn nodes_on_a_server_that_dies() -> impl Fixture {
    let server = PrivatePostgres::start().await;
    let url = server.url();
    Nodes::at(url, [Locking::Pessimistic, Locking::Optimistic], Home::Server(Box::new(server))).await
}

enum Home {
    /// In the PostgreSQL of the run.
    Database { _kept: shared::Database },
    /// Which the test may kill.
    Server(Box<PrivatePostgres>),
}

/// Two nodes with connections of their own.
pub(crate) struct Nodes {
    pub(crate) url: String,
    turns: [Locking; 2],
    nodes: [Database; 2],
    home: Home,
}

impl Nodes {
    pub(crate) async fn in_a_database(turns: [Locking; 2]) -> Self {
        let database = shared::Database::create().await;
        Self::at(database.url().to_owned(), turns, Home::Database { _kept: database }).await
    }

    async fn at(url: String, turns: [Locking; 2], home: Home) -> Self {
        let nodes = [open(&url).await, open(&url).await];
        migrate(&nodes[0]).await.expect("an empty database can be migrated");
        Self { url, turns, nodes, home }
    }

    /// What keeps coupons of the first node.
    pub(crate) fn catalog(&self) -> PostgresCatalog {
        PostgresCatalog::new(self.nodes[0].clone())
    }

    fn node(&self, number: usize) -> Arc<dyn AdmissionEngine> {
        Arc::new(PostgresEngine::new(self.nodes[number].clone(), self.turns[number]))
    }
}

async fn open(url: &str) -> Database {
    // Tests share the PostgreSQL of the run.
    let settings =
        DatabaseSettings { max_connections: 6, ..DatabaseSettings::deciding(url.to_owned().into()) };
    Database::connect(&settings).await.expect("PostgreSQL is there")
}

/// Throws everybody out in the middle of whatever they do.
async fn throw_out(url: &str) {
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

    /// Whoever raises a total tells the catalogue first. Here nobody does, so it expects the most there may be.
    async fn introduce(&self, coupon: &Coupon) {
        let inventory = Inventory::new(MAX_TOTAL).expect("it is the largest");
        let listed = Coupon { inventory, ..coupon.clone() };
        self.catalog().create(&listed).await.expect("a new coupon is created");
        self.engine().load(coupon).await.expect("a created coupon is loaded");
    }

    async fn reopen(&mut self) {
        match &mut self.home {
            Home::Database { .. } => throw_out(&self.url).await,
            Home::Server(server) => {
                server.kill();
                server.restart().await;
            }
        }
        self.nodes = [open(&self.url).await, open(&self.url).await];
    }
}

/// A fixture, for tests that only these engines have.
pub(crate) async fn both(turns: Locking) -> Nodes {
    Nodes::in_a_database([turns, turns]).await
}
