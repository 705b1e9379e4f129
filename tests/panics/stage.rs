//! A node inside this process, and a race in whose middle something panics.

use std::path::Path;
use std::time::Duration;

use openrun::bootstrap::{EngineKind, Migration, Node, Role, Settings, StackUrls, migrate};
use openrun::domain::AckLevel;
use openrun::fault_injection::panics;
use openrun::http::{RateLimits, TrustedProxies};
use openrun_load::RaceReport;

use crate::support::races::{self, until, until_issued};
use crate::support::shared::{Database, amqp_namespace, amqp_url, coupon_id, redis_url};

/// Members of one race, twice as many as there are coupons.
const MEMBERS: u64 = 2 * TOTAL as u64;
/// Coupons of one race: enough for it to last a few seconds.
pub(crate) const TOTAL: u32 = 1_200;
const CLIENTS: usize = 64;
/// How long a member waits at most, which is far longer than an actor needs to come back.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs `body` in an actix system over a multi-threaded runtime, as the binary does.
pub(crate) fn in_system(body: impl Future<Output = ()>) {
    let mut runtime = Some(
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started"),
    );
    actix::System::with_tokio_rt(move || runtime.take().expect("a system makes one runtime")).block_on(body);
}

/// Settings of a node on the embedded engine.
pub(crate) fn embedded(data_dir: &Path) -> Settings {
    Settings {
        bind: ([127, 0, 0, 1], 0).into(),
        engine: EngineKind::Embedded,
        data_dir: data_dir.to_owned(),
        stack: None,
        database: None,
        accept_redis_data_loss: false,
        roles: [Role::Api, Role::Publisher, Role::Persister].into(),
        ack: AckLevel::Granted,
        admin_token: None,
        rate_limit: RateLimits::OFF,
        trusted_proxies: TrustedProxies::default(),
        persisters: 2,
        reconcile_interval: None,
        database_connections: 4,
        workers: 2,
        shards: 1,
        queue_limit: 50_000,
        max_connections: 10_000,
        request_timeout: REQUEST_TIMEOUT,
        shutdown_timeout: Duration::from_secs(20),
    }
}

/// Settings of a node on the full stack.
pub(crate) fn redis_lua(stack: StackUrls) -> Settings {
    Settings { engine: EngineKind::RedisLua, stack: Some(stack), ..embedded(Path::new("unused")) }
}

/// A migrated database and a namespace of one's own on the services of the run, and a coupon id that nobody else uses.
pub(crate) async fn full_stack() -> (Database, StackUrls, String) {
    let database = Database::create().await;
    migrate(&Migration::Postgres(database.url().into())).await.expect("an empty database can be migrated");
    let stack = StackUrls {
        redis: redis_url().into(),
        amqp: amqp_url().into(),
        database: database.url().into(),
        amqp_namespace: amqp_namespace(),
    };
    (database, stack, coupon_id())
}

/// Lets members race for `coupon`, and makes each of `places` panic that often when a quarter is issued. Panics unless
/// every one of them did, and every member had a true answer all the same, without having to ask again.
pub(crate) async fn race_with_panics(node: &Node, coupon: &str, places: &[(&str, u32)]) -> RaceReport {
    races::create_coupon(node.address, coupon, TOTAL).await;
    let racing = races::spawn(races::config(node.address, coupon, MEMBERS, CLIENTS));
    let issued = until_issued(node.address, coupon, TOTAL / 4).await;
    assert!(issued < TOTAL, "the race was over before anything panicked");
    for (place, times) in places {
        panics::arm(place, *times);
    }
    for (place, _) in places {
        until(&format!("the panics of {place}"), async || (panics::left(place) == 0).then_some(())).await;
    }
    let report = racing.await.expect("the race does not panic");
    eprintln!("{places:?}: {}", races::figures(&report));
    races::assert_promise_kept(&report, TOTAL);
    assert_eq!((report.shed, report.unknown), (0, 0), "an answer was late: {}", races::figures(&report));
    assert_eq!(races::count_holders(&report.issued_answers), TOTAL as usize, "none is stranded");
    report
}

/// Panics unless actors of `kind` were started again, and panicked, at least so often.
pub(crate) async fn assert_counted(node: &Node, kind: &str, restarts: u32, panics: u32) {
    let label = format!("kind=\"{kind}\"");
    until(&format!("{restarts} restarts and {panics} panics of {kind}"), async || {
        let restarted = races::metric(node.address, "openrun_actor_restarts_total", &label).await;
        let panicked = races::metric(node.address, "openrun_actor_panics_total", &label).await;
        (restarted >= f64::from(restarts) && panicked >= f64::from(panics)).then_some(())
    })
    .await;
}
