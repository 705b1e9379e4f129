//! Races against a node, and the rows that the database must have after one.

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

/// Bound of every wait of a test.
pub(crate) const BOUND: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(20);
/// Generous, because tests share the processors, but a request must not hang forever.
const REQUEST_BOUND: Duration = Duration::from_secs(20);
/// File descriptors that a race leaves to everything else.
const FILES_RESERVED: u64 = 1_000;

/// A stored issuance: sequence, member, code.
pub(crate) type Row = (u32, String, String);

/// The HTTP client of the tests, except for races.
pub(crate) fn http() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        // The client speaks plain HTTP only, but cannot be built without a crypto provider.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder().timeout(REQUEST_BOUND).no_proxy().build();
        client.expect("a client can be built")
    })
}

pub(crate) async fn create_coupon(node: SocketAddr, id: &str, total: u32) {
    let call = http().post(format!("http://{node}/v1/coupons")).json(&json!({ "id": id, "total": total }));
    let answer = call.send().await.expect("the node answers");
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap_or_default());
}

/// The issued count that the node reports; `None` if it does not answer.
pub(crate) async fn issued(node: SocketAddr, id: &str) -> Option<u32> {
    let answer = http().get(format!("http://{node}/v1/coupons/{id}")).send().await.ok()?;
    let coupon: Value = answer.json().await.ok()?;
    u32::try_from(coupon.get("issued")?.as_u64()?).ok()
}

/// Requests a coupon once; returns the status and the body.
pub(crate) async fn ask(node: SocketAddr, id: &str, member: &str) -> (u16, Value) {
    let url = format!("http://{node}/v1/coupons/{id}/issuances");
    let answer = http().post(url).json(&json!({ "member_id": member })).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// The sum of a metric over all its series whose labels contain `label`; 0 if there is none.
pub(crate) async fn metric(node: SocketAddr, name: &str, label: &str) -> f64 {
    let answer = http().get(format!("http://{node}/metrics")).send().await.expect("the node answers");
    let text = answer.text().await.expect("metrics are text");
    let of_name = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
    });
    of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// A race in which every member clicks twice.
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

pub(crate) async fn run(config: RaceConfig) -> RaceReport {
    let raced = tokio::time::timeout(BOUND * 2, race::run(config, &NoProgress)).await;
    raced.expect("the race ends").expect("the race can be run")
}

pub(crate) fn spawn(config: RaceConfig) -> JoinHandle<RaceReport> {
    tokio::spawn(run(config))
}

/// Polls until `look` finds something; panics after [`BOUND`].
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

/// Waits until the node reports at least `count` issued.
pub(crate) async fn until_issued(node: SocketAddr, coupon: &str, count: u32) -> u32 {
    until(&format!("{count} issued"), async || issued(node, coupon).await.filter(|issued| *issued >= count))
        .await
}

/// The rows of the embedded engine's file. No node may have it open.
pub(crate) async fn sqlite_rows(data_dir: &Path, coupon: &str) -> Vec<Row> {
    let options = SqliteConnectOptions::new().filename(data_dir.join("openrun.sqlite"));
    let mut connection = options.connect().await.expect("the file can be opened");
    sqlx::query_as("SELECT sequence, member_id, code FROM coupon_issuances WHERE coupon_id = ? ORDER BY 1")
        .bind(coupon)
        .fetch_all(&mut connection)
        .await
        .expect("the table can be read")
}

/// The rows of PostgreSQL.
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

/// Waits until PostgreSQL has at least `count` rows of the coupon; returns all of them.
pub(crate) async fn until_persisted(url: &str, coupon: &str, count: u32) -> Vec<Row> {
    until(&format!("{count} rows"), async || {
        let rows = postgres_rows(url, coupon).await;
        (rows.len() >= count as usize).then_some(rows)
    })
    .await
}

/// Panics unless every member got a true answer, no coupon went out twice and no member was overtaken.
pub(crate) fn assert_promise_kept(report: &RaceReport, total: u32) {
    let verdict = Verdict::of(report, Some(total));
    assert!(verdict.holds(), "{verdict:?}\n{report:?}", report = figures(report));
    assert!(!report.stopped_early, "some members did not request");
}

/// Panics unless every issued answer has its row, and the rows are the sequences 1 to `issued`, one for each member.
pub(crate) fn assert_rows(rows: &[Row], answers: &[IssuedAnswer], issued: u32) {
    let sequences: Vec<u32> = rows.iter().map(|row| row.0).collect();
    assert_eq!(sequences, (1..=issued).collect::<Vec<_>>(), "sequences are dense, and as many as issued");
    let members: BTreeSet<&str> = rows.iter().map(|row| row.1.as_str()).collect();
    assert_eq!(members.len(), rows.len(), "one coupon a member");
    let codes: BTreeSet<&str> = rows.iter().map(|row| row.2.as_str()).collect();
    assert_eq!(codes.len(), rows.len(), "one code a coupon");
    let held: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.1.as_str(), row)).collect();
    for IssuedAnswer { member_id, sequence, code, .. } in answers {
        let row = held.get(member_id.as_str());
        let row = row.unwrap_or_else(|| panic!("{member_id} was issued {sequence}, and has no row"));
        assert_eq!((row.0, &row.2), (*sequence, code), "the row of {member_id} differs from its answer");
    }
}

/// Counts the different members in the issued answers.
pub(crate) fn count_holders(answers: &[IssuedAnswer]) -> usize {
    answers.iter().map(|answer| answer.member_id.as_str()).collect::<BTreeSet<_>>().len()
}

/// A summary of the race in one line.
pub(crate) fn figures(report: &RaceReport) -> String {
    format!(
        "{} members, {} requests: issued {}, sold out {}, shed {}, unknown {}, gave up {}, unexpected {} {:?}, \
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
