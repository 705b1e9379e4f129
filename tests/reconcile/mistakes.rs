//! Wrong settings and missing services: one line with the remedy, and exit code 2.

use crate::arrange::{CommandOutput, Stage};
use crate::support::ports::free_port;
use crate::support::shared::Database;

const PASSWORD: &str = "s3cret-pa55word";

/// Panics unless the exit code is 2 and the output is one line, and returns the line.
#[track_caller]
fn assert_one_line(output: &CommandOutput) -> &str {
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:#?}");
    let line = output.stderr.trim_end();
    assert!(line.starts_with("openrun: ") && !line.contains('\n'), "{output:#?}");
    assert!(!line.contains(PASSWORD), "the line has a password: {output:#?}");
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_urls_and_absent_services() {
    let stage = Stage::consistent().await;
    let unused_port = free_port();
    for command in ["reconcile", "verify"] {
        for (name, scheme) in [("OPENRUN_REDIS_URL", "redis"), ("OPENRUN_DATABASE_URL", "postgres")] {
            for url in [String::new(), format!("{scheme}://kim:{PASSWORD}@127.0.0.1:{unused_port}/0")] {
                let mut settings = stage.stack.settings();
                settings.iter_mut().filter(|(other, _)| *other == name).for_each(|entry| entry.1 = &url);
                let output = CommandOutput::of(&[command], &settings).await;
                assert!(assert_one_line(&output).contains(name), "{output:#?}");
            }
        }
    }
    let url = format!("amqp://kim:{PASSWORD}@127.0.0.1:{unused_port}/x");
    let output = stage.verify(&["--amqp-url", &format!("{url}?frame_max=x")]).await;
    assert!(assert_one_line(&output).contains("OPENRUN_AMQP_URL"), "{output:#?}");
    // Verifying the promises needs no broker.
    let output = stage.run("verify", &["--amqp-url", &url]).await;
    let note = format!("The dead letters were not counted: no RabbitMQ answers at 127.0.0.1:{unused_port}");
    assert!(
        output.stdout.contains(&note) && output.stdout.ends_with("Every promise is held.\n"),
        "{output:#?}"
    );
    assert!(output.code == 0 && !format!("{output:?}").contains(PASSWORD), "{output:#?}");
    let json = stage.verify(&["--amqp-url", &url]).await.json();
    assert!(json["dead_letters"].is_null() && json["dead_letters_not_counted"].is_string(), "{json}");
    let empty = Database::create().await;
    let output = stage.reconcile(&["--database-url", empty.url()]).await;
    assert!(assert_one_line(&output).contains("openrun migrate"), "{output:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_coupon() {
    let stage = Stage::consistent().await;
    for command in ["reconcile", "verify"] {
        let output = stage.run(command, &["--coupon", "unknown-coupon"]).await;
        assert!(assert_one_line(&output).contains("unknown-coupon"), "{output:#?}");
        let output = stage.run(command, &["--coupon", "not an id"]).await;
        assert!(output.code == 2 && output.stderr.contains("a coupon id is"), "{output:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_without_a_database() {
    let empty = tempfile::tempdir().expect("a temporary directory");
    for command in ["reconcile", "verify"] {
        let output =
            CommandOutput::of(&[command], &[("OPENRUN_DATA_DIR", empty.path().to_str().expect("text"))])
                .await;
        assert!(assert_one_line(&output).contains("no openrun database"), "{output:#?}");
    }
    assert!(empty.path().read_dir().expect("the directory exists").next().is_none(), "a file was created");
}

#[tokio::test]
async fn invalid_intervals() {
    for wrong in ["0", "-1", "soon", "86401", "1.5"] {
        let output = CommandOutput::of(&["serve"], &[("OPENRUN_RECONCILE_INTERVAL", wrong)]).await;
        assert!(output.code == 2 && output.stderr.contains("1 to 86400 seconds, or 'off'"), "{output:#?}");
    }
}

/// The URL of a PostgreSQL selects its data without `OPENRUN_ENGINE`, and the output names the data.
#[tokio::test(flavor = "multi_thread")]
async fn the_selected_data_is_checked_and_named() {
    let stage = Stage::consistent().await;
    let all = stage.stack.settings();
    let settings: Vec<_> = all.into_iter().filter(|(name, _)| *name != "OPENRUN_ENGINE").collect();
    for command in ["reconcile", "verify"] {
        let output = CommandOutput::of(&[command, "--json"], &settings).await;
        let json = output.json();
        assert_eq!((output.code, &json["engine"]), (0, &"redis-lua".into()), "{output:#?}");
        assert_eq!(json["coupons"][0]["coupon_id"], stage.coupon.id.as_str(), "{output:#?}");
        let place = json["place"].as_str().expect("a place");
        let [redis, database] = [&stage.stack.redis_url, &stage.stack.database_url]
            .map(|url| url::Url::parse(url).expect("a URL"));
        let [redis_port, port] = [&redis, &database].map(|url| url.port().expect("a port"));
        let path = database.path();
        let expected = format!("PostgreSQL 127.0.0.1:{port}{path}, Redis 127.0.0.1:{redis_port}");
        assert_eq!(place, expected);
        let output = CommandOutput::of(&[command], &settings).await;
        assert!(output.stdout.starts_with(&format!("redis-lua: {place}\n")), "{output:#?}");
    }
}
