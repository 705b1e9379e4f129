//! A coupon on the full stack, functions that tamper with its data, and the output of the commands.

use std::process::{Command, Stdio};
use std::sync::Arc;

use openrun::domain::{
    AdmissionRequest, CodeSalt, Coupon, CouponId, Inventory, IssuanceStatus, IssuedCoupon, MemberId,
    NewCoupon, Note, SalePeriod, Sequence, Terms, Timestamp, Verdict,
};
use openrun::persistence::postgres::{Database, DatabaseSettings, PostgresCatalog, PostgresStore};
use openrun::persistence::redis::{RedisConnection, RedisLuaEngine};
use openrun::ports::{
    AdmissionEngine, ConflictFilter, CouponCatalog, IssuanceStore, KeptConflict, Outbox, Quarantine,
};
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::node::{Stack, openrun};
use crate::support::races::{BOUND, until};
use crate::support::shared::{connect_redis, coupon_id};

pub(crate) fn member(number: u32) -> MemberId {
    MemberId::parse(&format!("m{number}")).expect("an id")
}

/// A coupon that has been open for an hour.
pub(crate) fn open_coupon(id: &str, total: u32) -> Coupon {
    let now = time::OffsetDateTime::now_utc().unix_timestamp() * 1_000;
    let opens_at = Timestamp::from_ms(now - 3_600_000);
    let new = NewCoupon {
        id: CouponId::parse(id).expect("an id"),
        terms: Terms::new("A coupon", "", "").expect("terms"),
        inventory: Inventory::new(total).expect("a total"),
        window: SalePeriod::new(opens_at, None).expect("a window"),
        valid_until: None,
    };
    Coupon::create(new, CodeSalt::from_bytes([7; 32]), opens_at).expect("a coupon")
}

/// Issues the coupon to `m1` to `m<count>`.
pub(crate) async fn issue(engine: &dyn AdmissionEngine, coupon: &Coupon, count: u32) -> Vec<IssuedCoupon> {
    let request = |number| AdmissionRequest { member: member(number), traceparent: None };
    let batch: Vec<_> = (1..=count).map(request).collect();
    let mut issued = Vec::new();
    for batch in batch.chunks(256) {
        let answer = engine.admit(&coupon.id, batch).await.expect("an answer");
        issued.extend(batch.iter().zip(answer.verdicts).map(|(request, verdict)| {
            let Verdict::Issued(grant) = verdict else { panic!("not issued: {verdict:?}") };
            IssuedCoupon {
                coupon_id: coupon.id.clone(),
                code: coupon.salt.code(&coupon.id, &request.member),
                member_id: request.member.clone(),
                sequence: grant.sequence,
                status: IssuanceStatus::Unused,
                issued_at: grant.issued_at,
            }
        }));
    }
    issued
}

/// The full stack without a node, and one coupon.
pub(crate) struct Stage {
    pub(crate) stack: Arc<Stack>,
    pub(crate) coupon: Coupon,
    pub(crate) engine: RedisLuaEngine,
    pub(crate) store: PostgresStore,
    pub(crate) issued: Vec<IssuedCoupon>,
    pub(crate) redis: MultiplexedConnection,
}

impl Stage {
    /// A coupon with `issued` issuances, the first `arrived` of which are in the database.
    pub(crate) async fn with(total: u32, issued: u32, arrived: u32) -> Self {
        let stack = Stack::shared().await;
        let database = Database::connect(&DatabaseSettings::new(stack.database_url.clone().into())).await;
        let database = database.expect("PostgreSQL is there");
        let store = PostgresStore::new(database.clone());
        let coupon = open_coupon(&coupon_id(), total);
        PostgresCatalog::new(database).create(&coupon).await.expect("a new coupon");
        let connection = RedisConnection::connect(&stack.redis_url.clone().into()).await;
        let engine = RedisLuaEngine::new(connection.expect("Redis is there"));
        engine.load(&coupon).await.expect("the engine loads it");
        let issued = issue(&engine, &coupon, issued).await;
        let rows = &issued[..arrived as usize];
        if arrived > 0 {
            store.insert(rows).await.expect("the rows can be written");
            engine.outbox().trim(&coupon.id, arrived).await.expect("the outbox can be trimmed");
        }
        let redis = connect_redis(&stack.redis_url).await;
        Self { stack, coupon, engine, store, issued, redis }
    }

    /// A coupon of 10 with 5 issuances, all in the database.
    pub(crate) async fn consistent() -> Self {
        Self::with(10, 5, 5).await
    }

    /// Inserts a row that the engine does not know: sequence 7, member eve.
    pub(crate) async fn insert_extra_row(&self) {
        self.sql(
            "INSERT INTO coupon_issuances VALUES
        (:coupon, 7, 'eve', '00000-00000-00000-00000', 'UNUSED', now() - interval '1 minute')",
        )
        .await;
    }

    /// Runs statements without the protection of triggers.
    pub(crate) async fn sql(&self, statements: &str) {
        let mut connection =
            PgConnection::connect(&self.stack.database_url).await.expect("PostgreSQL is there");
        let statements = format!("SET session_replication_role = replica; {statements}");
        let statements = statements.replace(":coupon", &format!("'{}'", self.coupon.id));
        connection.execute(AssertSqlSafe(statements)).await.expect("the command succeeds");
    }

    /// Runs one command on a key of the coupon: `stage.redis("HDEL", "participants", &["m1"])`.
    pub(crate) async fn redis(&self, command: &str, part: &str, arguments: &[&str]) {
        let mut command = redis::cmd(command);
        command.arg(format!("coupon:{{{}}}:{part}", self.coupon.id)).arg(arguments);
        command.query_async::<redis::Value>(&mut self.redis.clone()).await.expect("the command succeeds");
    }

    /// The value of the participants hash for this sequence.
    pub(crate) fn participant_value(&self, sequence: Sequence) -> String {
        format!("{sequence} {}", self.issuance(sequence).issued_at.as_ms())
    }

    pub(crate) fn issuance(&self, sequence: Sequence) -> &IssuedCoupon {
        &self.issued[sequence as usize - 1]
    }

    pub(crate) async fn rows(&self) -> Vec<IssuedCoupon> {
        self.store.list(&self.coupon.id, 0, 10_000).await.expect("rows can be read")
    }

    /// The unsettled conflicts.
    pub(crate) async fn conflicts(&self) -> Vec<KeptConflict> {
        let coupon = Some(self.coupon.id.clone());
        let which = ConflictFilter { coupon, are_settled: false, after: 0, limit: 10 };
        self.store.conflicts(&which).await.expect("rows can be read")
    }

    /// Settles all conflicts.
    pub(crate) async fn settle_conflicts(&self) {
        let note = Note::parse("seen").expect("a note");
        for kept in self.conflicts().await {
            self.store.settle(kept.id, &note).await.expect("an answer").expect("the conflict exists");
        }
    }

    pub(crate) async fn until_nothing_in_flight(&self) {
        until("nothing in flight", async || {
            let output = self.reconcile(&["--dry-run"]).await;
            (output.coupon()["in_flight"] == 0).then_some(())
        })
        .await;
    }

    pub(crate) async fn reconcile(&self, flags: &[&str]) -> CommandOutput {
        self.run("reconcile", &[&["--json"], flags].concat()).await
    }

    pub(crate) async fn verify(&self, flags: &[&str]) -> CommandOutput {
        self.run("verify", &[&["--json"], flags].concat()).await
    }

    pub(crate) async fn run(&self, command: &str, flags: &[&str]) -> CommandOutput {
        CommandOutput::of(&[&[command], flags].concat(), &self.stack.settings()).await
    }
}

/// A finding in the JSON output.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Finding {
    pub(crate) kind: String,
    pub(crate) sequence: Option<u64>,
    pub(crate) member_id: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) repaired: bool,
    pub(crate) detail: String,
}

/// The exit code and output of a command.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CommandOutput {
    /// Runs `openrun` with these arguments to its end.
    pub(crate) async fn of(arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut command: Command = openrun(arguments);
        command.envs(settings.iter().copied()).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = tokio::time::timeout(BOUND, output).await.expect("the command ends");
        let output = output.expect("no panic").expect("the command starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("an exit code");
        Self { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The result of the only coupon.
    pub(crate) fn coupon(&self) -> Value {
        let json = self.json();
        let coupons = json["coupons"].as_array().unwrap_or_else(|| panic!("no coupons: {self:#?}"));
        assert_eq!(coupons.len(), 1, "{self:#?}");
        coupons[0].clone()
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        serde_json::from_value(self.coupon()["findings"].clone()).expect("findings")
    }

    /// Panics unless these are the findings (kind, sequence, member) and the exit code agrees with them.
    #[track_caller]
    pub(crate) fn assert_findings(&self, expected: &[(&str, Option<u64>, Option<&str>)]) {
        let findings = self.findings();
        let key = |finding: &Finding| (finding.kind.clone(), finding.sequence, finding.member_id.clone());
        let found: Vec<_> = findings.iter().map(key).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(kind, sequence, member)| ((*kind).to_owned(), *sequence, member.map(str::to_owned)))
            .collect();
        assert_eq!(found, expected, "{self:#?}");
        let json = self.json();
        let repaired = findings.iter().filter(|found| found.repaired).count();
        assert_eq!(json["repaired"], repaired, "{self:#?}");
        assert_eq!(json["unrepaired"], expected.len() - repaired, "{self:#?}");
        assert_eq!(self.code, i32::from(repaired < expected.len()), "{self:#?}");
    }

    /// The names of the broken promises, and their offenders.
    pub(crate) fn broken_promises(&self) -> Vec<(String, Vec<String>)> {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let coupon = self.coupon();
        let promises = coupon["promises"].as_array().expect("a list");
        let broken = promises.iter().filter(|promise| promise["held"] == false);
        let of = |value: &Value| value.as_array().expect("a list").iter().map(text).collect();
        broken.map(|promise| (text(&promise["name"]), of(&promise["offenders"]))).collect()
    }
}
