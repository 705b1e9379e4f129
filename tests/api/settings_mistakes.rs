//! `openrun serve` and `openrun migrate` with unusable services or settings: one line with the remedy, exit code 2, and
//! never a password.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use sqlx::{Connection as _, Executor as _};

use crate::arrange::Engine;
use crate::program::{Ended, run};
use crate::support::node::Stack;
use crate::support::ports::free_port;
use crate::support::services::{PrivateRedis, Redis};
use crate::support::shared::Database;

const PASSWORD: &str = "s3cret-pa55word";
const TOKEN: &str = "correct-horse-battery-staple";

/// Serves with the settings of `stack`. Some are replaced, or removed by an empty value.
async fn serve(stack: &Stack, replaced: &[(&str, &str)]) -> Ended {
    let mut settings = vec![("OPENRUN_BIND", "127.0.0.1:0")];
    settings.extend(stack.settings());
    settings.retain(|(name, _)| !replaced.iter().any(|(other, _)| other == name));
    settings.extend_from_slice(replaced);
    let ended = run(&["serve"], &settings).await;
    assert!(
        !ended.stderr.contains(PASSWORD) && !ended.stdout.contains(PASSWORD),
        "the output has a password: {ended:#?}"
    );
    ended
}

#[tokio::test]
async fn a_missing_url() {
    let stack = Stack::shared().await;
    for name in ["OPENRUN_REDIS_URL", "OPENRUN_AMQP_URL", "OPENRUN_DATABASE_URL"] {
        let line = serve(&stack, &[(name, "")]).await.one_line(2);
        assert!(line.contains(name), "{name}: {line}");
    }
}

#[tokio::test]
async fn the_error_for_an_invalid_namespace_does_not_name_the_url() {
    let stack = Stack::shared().await;
    for namespace in ["a b", "amq.x", "쿠폰"] {
        let line = serve(&stack, &[("OPENRUN_AMQP_NAMESPACE", namespace)]).await.one_line(2);
        assert!(line.contains("OPENRUN_AMQP_NAMESPACE") && !line.contains("OPENRUN_AMQP_URL"), "{line}");
    }
}

#[tokio::test]
async fn invalid_settings_of_traces() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("ftp://kim:{PASSWORD}@collector")),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "99999999999999"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nothing"),
    ] {
        let settings = [("OPENRUN_BIND", "127.0.0.1:0"), endpoint, (name, value)];
        let ended = run(&["serve"], &settings).await;
        assert!(ended.one_line(2).contains(name), "{name}: {ended:#?}");
        assert!(!ended.stderr.contains(PASSWORD), "{ended:#?}");
    }
    let ratio = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "10")];
    let line = run(&["serve"], &ratio).await.one_line(2);
    assert!(line.contains("OTEL_TRACES_SAMPLER_ARG"), "{line}");
}

#[tokio::test]
async fn an_unknown_engine_or_an_engine_without_its_database() {
    let ended = run(&["serve"], &[("OPENRUN_ENGINE", "postgres")]).await;
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    for name in ["embedded", "redis-lua", "redis-lock", "postgres-pessimistic", "postgres-optimistic"] {
        assert!(ended.stderr.contains(name), "{name}: {ended:#?}");
    }
    for name in ["postgres-pessimistic", "postgres-optimistic"] {
        for command in ["serve", "migrate", "reconcile", "verify", "demo"] {
            let line = run(&[command], &[("OPENRUN_ENGINE", name)]).await.one_line(2);
            assert!(line.contains(name) && line.contains("OPENRUN_DATABASE_URL"), "{command}: {line}");
        }
    }
    let empty = Database::create().await;
    let settings = [
        ("OPENRUN_ENGINE", "postgres-pessimistic"),
        ("OPENRUN_DATABASE_URL", empty.url()),
        ("OPENRUN_BIND", "127.0.0.1:0"),
    ];
    let line = run(&["serve"], &settings).await.one_line(2);
    assert!(line.contains("openrun migrate"), "{line}");
}

#[tokio::test]
async fn an_absent_service() {
    let stack = Stack::shared().await;
    let unused_port = free_port();
    for (name, scheme) in
        [("OPENRUN_REDIS_URL", "redis"), ("OPENRUN_AMQP_URL", "amqp"), ("OPENRUN_DATABASE_URL", "postgres")]
    {
        for url in [
            format!("{scheme}://kim:{PASSWORD}@127.0.0.1:{unused_port}/x"),
            format!("http://kim:{PASSWORD}@127.0.0.1:{unused_port}"),
            format!("kim:{PASSWORD}@127.0.0.1"),
            format!("{scheme}://kim:{PASSWORD}@127.0.0.1:notaport"),
        ] {
            let line = serve(&stack, &[(name, &url)]).await.one_line(2);
            assert!(line.contains(name), "{url}: {line}");
        }
    }
}

/// Creates a database user with `rights`. Returns the name and the URL.
async fn database_user(stack: &Stack, rights: &str) -> (String, String) {
    let mut url = url::Url::parse(&stack.database_url).expect("a URL");
    let user = format!("reader_{}", uuid::Uuid::new_v4().simple());
    let statement =
        format!("CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'; {}", rights.replace("USER", &user));
    let mut owner = sqlx::PgConnection::connect(&stack.database_url).await.expect("PostgreSQL is there");
    owner.execute(sqlx::AssertSqlSafe(statement)).await.expect("the role is created");
    url.set_username(&user).expect("a URL with a user");
    url.set_password(Some(PASSWORD)).expect("a URL with a password");
    (user, url.into())
}

#[tokio::test]
async fn a_database_user_with_read_rights_only() {
    let stack = Stack::shared().await;
    let (user, url) = database_user(&stack, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO USER").await;
    let line = serve(&stack, &[("OPENRUN_DATABASE_URL", &url)]).await.one_line(2);
    for part in [user.as_str(), "GRANT INSERT, UPDATE ON coupon_issuances TO", "OPENRUN_DATABASE_URL"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_database_user_without_rights() {
    let stack = Stack::shared().await;
    let (user, url) = database_user(&stack, "").await;
    let line = serve(&stack, &[("OPENRUN_DATABASE_URL", &url)]).await.one_line(2);
    for part in [user.as_str(), "GRANT SELECT ON _sqlx_migrations TO", "OPENRUN_DATABASE_URL"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_queue_with_other_arguments() {
    let stack = Stack::shared().await;
    let connection = Connection::connect(&stack.amqp_url, ConnectionProperties::default()).await;
    let connection = connection.expect("RabbitMQ accepts connections");
    let channel = connection.create_channel().await.expect("the connection is open");
    let queue = format!("{}.issuances", stack.amqp_namespace);
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await;
    declared.expect("the name is unused");
    let line = serve(&stack, &[]).await.one_line(2);
    for part in [queue.as_str(), "x-dead-letter-exchange is none", "delete it", "OPENRUN_AMQP_NAMESPACE"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_wrong_password() {
    let stack = Stack::shared().await;
    for (name, url) in [
        ("OPENRUN_REDIS_URL", &stack.redis_url),
        ("OPENRUN_AMQP_URL", &stack.amqp_url),
        ("OPENRUN_DATABASE_URL", &stack.database_url),
    ] {
        let mut url = url::Url::parse(url).expect("a URL");
        // The shared PostgreSQL trusts all users that it knows.
        url.set_username("nobody").expect("a URL with a user");
        url.set_password(Some(PASSWORD)).expect("a URL with a password");
        let line = serve(&stack, &[(name, url.as_str())]).await.one_line(2);
        assert!(line.contains(name) && line.contains("password"), "{line}");
    }
}

#[tokio::test]
async fn a_missing_schema() {
    let (stack, empty) = (Stack::shared().await, Database::create().await);
    let line = serve(&stack, &[("OPENRUN_DATABASE_URL", empty.url())]).await.one_line(2);
    assert!(line.contains("openrun migrate"), "{line}");
    // The named command helps.
    for _ in 0..2 {
        let migrated = run(&["migrate"], &[("OPENRUN_DATABASE_URL", empty.url())]).await;
        assert_eq!(migrated.code, Some(0), "{migrated:#?}");
    }
}

#[tokio::test]
async fn a_migration_without_a_database() {
    let url = format!("postgres://kim:{PASSWORD}@127.0.0.1:{}/x", free_port());
    let ended = run(&["migrate"], &[("OPENRUN_DATABASE_URL", &url)]).await;
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(!ended.stderr.contains(PASSWORD), "{ended:#?}");
    assert_eq!(ended.stderr.lines().filter(|line| line.starts_with("openrun: ")).count(), 1, "{ended:#?}");
    let line = run(&["migrate"], &[("OPENRUN_ENGINE", "redis-lua")]).await.one_line(2);
    assert!(line.contains("OPENRUN_DATABASE_URL"), "{line}");
}

#[tokio::test]
async fn private_a_redis_that_loses_data() {
    for lacking in
        [["--appendonly", "no"], ["--appendfsync", "everysec"], ["--maxmemory-policy", "allkeys-lru"]]
    {
        let extra_arguments = lacking.map(str::to_owned).to_vec();
        let redis = PrivateRedis::start_as(Redis { extra_arguments, ..Redis::default() }).await;
        let stack = Stack::with_redis(&redis.url()).await;
        let line = serve(&stack, &[]).await.one_line(2);
        for way in ["OPENRUN_ACK=queued", "OPENRUN_ACK=persisted", "OPENRUN_ACCEPT_REDIS_DATA_LOSS=true"] {
            assert!(line.contains(way), "{way}: {line}");
        }
        // The ack level `persisted` does not need a durable Redis.
        for (name, value) in [("OPENRUN_ACCEPT_REDIS_DATA_LOSS", "true"), ("OPENRUN_ACK", "persisted")] {
            let builder = crate::support::node::NodeProcess::redis_lua(&stack);
            let (_node, api) = crate::arrange::started(builder.set(name, value)).await;
            let id = api.coupon(1).await;
            api.ask(&id, "kim").await.json(201);
        }
    }
}

#[tokio::test]
async fn an_address_beyond_loopback_needs_a_token() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data_dir = ("OPENRUN_DATA_DIR", folder.path().to_str().expect("the path is text"));
    for open in ["0.0.0.0:0", "[::]:0"] {
        let line = run(&["serve"], &[("OPENRUN_BIND", open), data_dir]).await.one_line(2);
        assert!(line.contains("OPENRUN_ADMIN_TOKEN"), "{line}");
        let empty = [("OPENRUN_BIND", open), ("OPENRUN_ADMIN_TOKEN", ""), data_dir];
        assert!(run(&["serve"], &empty).await.one_line(2).contains("OPENRUN_ADMIN_TOKEN"));
    }
    for weak in ["short", "123456789012345"] {
        let ended =
            run(&["serve"], &[("OPENRUN_ADMIN_TOKEN", weak), ("OPENRUN_BIND", "127.0.0.1:0"), data_dir])
                .await;
        assert!(ended.one_line(2).contains("16 characters"), "{ended:#?}");
        assert!(!ended.stderr.contains(weak), "{ended:#?}");
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("the directory exists").count(),
        0,
        "no file was created"
    );

    let builder = Engine::Embedded.builder().await;
    let (_node, api) =
        crate::arrange::started(builder.set("OPENRUN_BIND", "0.0.0.0:0").set("OPENRUN_ADMIN_TOKEN", TOKEN))
            .await;
    assert_eq!(api.get("/livez").await.status, 200);
}

/// A proxy on this machine calls over loopback like an operator.
#[tokio::test]
async fn trusted_proxies_require_a_token() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data_dir = ("OPENRUN_DATA_DIR", folder.path().to_str().expect("the path is text"));
    let bind = ("OPENRUN_BIND", "127.0.0.1:0");
    for proxies in ["127.0.0.1", "10.0.0.0/8, 2001:db8::/32"] {
        let settings = [("OPENRUN_TRUSTED_PROXIES", proxies), bind, data_dir];
        let line = run(&["serve"], &settings).await.one_line(2);
        assert!(line.contains("OPENRUN_TRUSTED_PROXIES") && line.contains("OPENRUN_ADMIN_TOKEN"), "{line}");
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("the directory exists").count(),
        0,
        "no file was created"
    );
    // An empty value means no proxies.
    let builder = Engine::Embedded.builder().await.set("OPENRUN_TRUSTED_PROXIES", "");
    let (_node, api) = crate::arrange::started(builder).await;
    assert_eq!(api.get("/livez").await.status, 200);
}
