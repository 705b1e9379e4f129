//! Races against a node, and what the database must hold after one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use openrun_load::{IssuedAnswer, NoProgress, RaceConfig, RaceReport, Target, Verdict, race};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::task::JoinHandle;

/// Everything that a test waits for comes within this, or never.
pub(crate) const BOUND: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(20);
/// A node that several tests share the processors with may take long, but a member must not hang for ever.
const REQUEST_BOUND: Duration = Duration::from_secs(20);
/// Connections that a race may open; what is left of the limit is for everything else.
const FILES_RESERVED: u64 = 1_000;

/// One issuance as it is stored: sequence, member, code.
pub(crate) type Row = (u32, String, String);

/// The client of everything but races.
pub(crate) fn http() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        // Plain HTTP alone is spoken, but the client is not built without some cryptography.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder().timeout(REQUEST_BOUND).no_proxy().build();
        client.expect("a client can be built")
    })
}

/// Creates a coupon that is open.
pub(crate) async fn create_coupon(node: SocketAddr, id: &str, total: u32) {
    let call = http().post(format!("http://{node}/v1/coupons")).json(&json!({ "id": id, "total": total }));
    let answer = call.send().await.expect("the node answers");
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap_or_default());
}

/// How many coupons the node says are issued; `None` if it cannot be asked now.
pub(crate) async fn issued(node: SocketAddr, id: &str) -> Option<u32> {
    let answer = http().get(format!("http://{node}/v1/coupons/{id}")).send().await.ok()?;
    let coupon: Value = answer.json().await.ok()?;
    u32::try_from(coupon.get("issued")?.as_u64()?).ok()
}

/// Asks for a coupon once; gives the status and the body.
pub(crate) async fn ask(node: SocketAddr, id: &str, member: &str) -> (u16, Value) {
    let url = format!("http://{node}/v1/coupons/{id}/issuances");
    let answer = http().post(url).json(&json!({ "member_id": member })).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// The sum of a metric over its labels, of which `label` must be part; 0 if there is none.
pub(crate) async fn metric(node: SocketAddr, name: &str, label: &str) -> f64 {
    let answer = http().get(format!("http://{node}/metrics")).send().await.expect("the node answers");
    let text = answer.text().await.expect("metrics are text");
    let of_name = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
    });
    of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// A race in which everybody clicks twice.
pub(crate) fn config(node: SocketAddr, coupon: &str, members: u64, clients: usize) -> RaceConfig {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024);
    let most = usize::try_from(files.saturating_sub(FILES_RESERVED).max(200) / 2).unwrap_or(usize::MAX);
    RaceConfig {
        clients: clients.min(most),
        double_click: 1.0,
        request_timeout: REQUEST_BOUND,
        ..RaceConfig::new(Target::from(node), coupon, members)
    }
}

/// Runs a race to its end.
pub(crate) async fn run(config: RaceConfig) -> RaceReport {
    let raced = tokio::time::timeout(BOUND * 2, race::run(config, &NoProgress)).await;
    raced.expect("the race ends").expect("the race can be run")
}

/// Runs a race while the test does something else.
pub(crate) fn spawn(config: RaceConfig) -> JoinHandle<RaceReport> {
    tokio::spawn(run(config))
}

/// Waits until `what` is there; panics if that takes too long.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + BOUND;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {BOUND:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until the node says that at least `count` are issued.
pub(crate) async fn until_issued(node: SocketAddr, coupon: &str, count: u32) -> u32 {
    until(&format!("{count} issued"), async || issued(node, coupon).await.filter(|issued| *issued >= count))
        .await
}

/// What the embedded engine's file holds. Nobody else may have it open.
pub(crate) async fn sqlite_rows(data_dir: &Path, coupon: &str) -> Vec<Row> {
    let options = SqliteConnectOptions::new().filename(data_dir.join("openrun.sqlite"));
    let mut connection = options.connect().await.expect("the file can be opened");
    sqlx::query_as("SELECT sequence, member_id, code FROM coupon_issuances WHERE coupon_id = ? ORDER BY 1")
        .bind(coupon)
        .fetch_all(&mut connection)
        .await
        .expect("the table can be read")
}

/// What PostgreSQL holds.
pub(crate) async fn postgres_rows(url: &str, coupon: &str) -> Vec<Row> {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL is there");
    let rows: Vec<(i32, String, String)> = sqlx::query_as(
        "SELECT sequence, member_id, code FROM coupon_issuances WHERE coupon_id = $1 ORDER BY 1",
    )
    .bind(coupon)
    .fetch_all(&mut connection)
    .await
    .expect("the table can be read");
    rows.into_iter().map(|(sequence, member, code)| (sequence.unsigned_abs(), member, code)).collect()
}

/// Waits until PostgreSQL holds at least `count` of the coupon; gives all of them.
pub(crate) async fn until_persisted(url: &str, coupon: &str, count: u32) -> Vec<Row> {
    until(&format!("{count} rows"), async || {
        let rows = postgres_rows(url, coupon).await;
        (rows.len() >= count as usize).then_some(rows)
    })
    .await
}

/// Panics unless the answers keep the promise: nobody without a true answer, nothing twice, nobody overtaken.
pub(crate) fn assert_promise_kept(report: &RaceReport, total: u32) {
    let verdict = Verdict::of(report, Some(total));
    assert!(verdict.holds(), "{verdict:?}\n{report:?}", report = figures(report));
    assert!(!report.stopped_early, "not everybody asked");
}

/// Panics unless everything that was told is a row, and the rows are `issued` coupons from 1 on, one a member.
pub(crate) fn assert_rows(rows: &[Row], told: &[IssuedAnswer], issued: u32) {
    let sequences: Vec<u32> = rows.iter().map(|row| row.0).collect();
    assert_eq!(sequences, (1..=issued).collect::<Vec<_>>(), "sequences are dense, and as many as issued");
    let members: BTreeSet<&str> = rows.iter().map(|row| row.1.as_str()).collect();
    assert_eq!(members.len(), rows.len(), "one coupon a member");
    let codes: BTreeSet<&str> = rows.iter().map(|row| row.2.as_str()).collect();
    assert_eq!(codes.len(), rows.len(), "one code a coupon");
    let held: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.1.as_str(), row)).collect();
    for IssuedAnswer { member_id, sequence, code, .. } in told {
        let row = held.get(member_id.as_str());
        let row = row.unwrap_or_else(|| panic!("{member_id} was told {sequence}, and has no row"));
        assert_eq!((row.0, &row.2), (*sequence, code), "{member_id} was told something else");
    }
}

/// How many different members were told that they hold one.
pub(crate) fn winners(told: &[IssuedAnswer]) -> usize {
    told.iter().map(|told| told.member_id.as_str()).collect::<BTreeSet<_>>().len()
}

/// A line for whoever reads the output of a test.
pub(crate) fn figures(report: &RaceReport) -> String {
    format!(
        "{} members, {} requests: told {}, sold out {}, shed {}, unknown {}, gave up {}, unexpected {} {:?}, \
         {} requests/s, mean {} ms",
        report.members,
        report.requests,
        report.issued_answers.len(),
        report.sold_out,
        report.shed,
        report.unknown,
        report.gave_up,
        report.unexpected,
        report.unexpected_examples,
        report.requests_per_second().round(),
        report.latency.ms().mean,
    )
}
