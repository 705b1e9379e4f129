//! Puts spans around what stands behind the ports, each under the name that its technology has in the semantic conventions.

use std::sync::Arc;

use super::backend::Backend;
use super::engine_kind::EngineKind;
use crate::traced::{DatabaseCall, TracedBus, TracedEngine, TracedStore};

const PROCEDURE: &str = "db.stored_procedure.name";
const COLLECTION: &str = "db.collection.name";
const ISSUANCES: &str = "coupon_issuances";

/// `backend` with spans around its calls.
pub(super) fn around(mut backend: Backend, engine: EngineKind) -> Backend {
    let [admit, find] = calls(engine);
    backend.engine = Arc::new(TracedEngine::new(backend.engine, admit, find));
    if let Some(transport) = &mut backend.transport {
        transport.bus = Arc::new(TracedBus::new(Arc::clone(&transport.bus), transport.issuances.clone()));
        let insert = DatabaseCall {
            system: "postgresql",
            name: "INSERT coupon_issuances",
            operation: Some("INSERT"),
            target: Some((COLLECTION, ISSUANCES)),
        };
        backend.store = Arc::new(TracedStore::new(backend.store, insert));
    }
    backend
}

/// How each engine decides and looks up.
fn calls(engine: EngineKind) -> [DatabaseCall; 2] {
    let script = |name, script| DatabaseCall {
        system: "redis",
        name,
        operation: Some("EVALSHA"),
        target: Some((PROCEDURE, script)),
    };
    let several = |system, name| DatabaseCall { system, name, operation: None, target: None };
    let select = |system| DatabaseCall {
        system,
        name: "SELECT coupon_issuances",
        operation: Some("SELECT"),
        target: Some((COLLECTION, ISSUANCES)),
    };
    match engine {
        EngineKind::Embedded => [several("sqlite", "admit transaction"), select("sqlite")],
        EngineKind::RedisLua => [script("EVALSHA admit", "admit"), script("EVALSHA find", "find")],
        EngineKind::RedisLock => [several("redis", "admit under lock"), script("EVALSHA find", "find")],
        EngineKind::Postgres(_) => [several("postgresql", "admit transaction"), select("postgresql")],
    }
}
