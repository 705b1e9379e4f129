//! A node inside this process, and a race during which actors panic.

use std::path::Path;
use std::time::Duration;

use openrun::bootstrap::{EngineKind, Migration, Node, Role, Settings, StackUrls, migrate};
use openrun::domain::AckLevel;
use openrun::fault_injection::panics;
use openrun::http::{RateLimits, TrustedProxies};
use openrun_load::RaceReport;

use crate::support::races::{self, until, until_issued};
use crate::support::shared::{Database, amqp_namespace, amqp_url, coupon_id, redis_url};

/// Members of one race: two for each coupon.
const MEMBERS: u64 = 2 * TOTAL as u64;
/// Coupons of one race: enough to make it last a few seconds.
pub(crate) const TOTAL: u32 = 1_200;
const CLIENTS: usize = 64;
/// Far longer than the restart of an actor takes.
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

/// A migrated database and a namespace on the services of the run, and a coupon id, all of them unique to the test.
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

/// Lets members race for `coupon`, and makes each of `points` panic as often as given once a quarter is issued. Asserts that
/// every panic happened, and that every member got a true answer to the first request.
pub(crate) async fn race_with_panics(node: &Node, coupon: &str, points: &[(&str, u32)]) -> RaceReport {
    races::create_coupon(node.address, coupon, TOTAL).await;
    let racing = races::spawn(races::config(node.address, coupon, MEMBERS, CLIENTS));
    let issued = until_issued(node.address, coupon, TOTAL / 4).await;
    assert!(issued < TOTAL, "the race was over before anything panicked");
    for (point, times) in points {
        panics::arm(point, *times);
    }
    for (point, _) in points {
        until(&format!("the panics of {point}"), async || (panics::left(point) == 0).then_some(())).await;
    }
    let report = racing.await.expect("the race does not panic");
    eprintln!("{points:?}: {}", races::figures(&report));
    races::assert_promise_kept(&report, TOTAL);
    assert_eq!((report.shed, report.unknown), (0, 0), "an answer was late: {}", races::figures(&report));
    assert_eq!(races::count_holders(&report.issued_answers), TOTAL as usize, "none is stranded");
    report
}

/// Asserts that the metrics count at least so many restarts and panics of actors of `kind`.
pub(crate) async fn assert_counted(node: &Node, kind: &str, restarts: u32, panics: u32) {
    let label = format!("kind=\"{kind}\"");
    until(&format!("{restarts} restarts and {panics} panics of {kind}"), async || {
        let restarted = races::metric(node.address, "openrun_actor_restarts_total", &label).await;
        let panicked = races::metric(node.address, "openrun_actor_panics_total", &label).await;
        (restarted >= f64::from(restarts) && panicked >= f64::from(panics)).then_some(())
    })
    .await;
}
