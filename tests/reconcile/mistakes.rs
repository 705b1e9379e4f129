//! Settings and surroundings that are wrong: one line that says what to do, and code 2.

use crate::arrange::{Stage, Told};
use crate::support::ports::free_port;
use crate::support::shared::Database;

const PASSWORD: &str = "s3cret-pa55word";

/// The one line, after code 2.
#[track_caller]
fn one_line(told: &Told) -> &str {
    assert_eq!((told.code, told.stdout.as_str()), (2, ""), "{told:#?}");
    let line = told.stderr.trim_end();
    assert!(line.starts_with("openrun: ") && !line.contains('\n'), "{told:#?}");
    assert!(!line.contains(PASSWORD), "a password shows: {told:#?}");
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_not_named_or_not_there() {
    let stage = Stage::settled().await;
    let nobody = free_port();
    for command in ["reconcile", "verify"] {
        for (name, scheme) in [("OPENRUN_REDIS_URL", "redis"), ("OPENRUN_DATABASE_URL", "postgres")] {
            for url in [String::new(), format!("{scheme}://kim:{PASSWORD}@127.0.0.1:{nobody}/0")] {
                let mut settings = stage.stack.settings();
                settings.iter_mut().filter(|(other, _)| *other == name).for_each(|entry| entry.1 = &url);
                let told = Told::by(&[command], &settings).await;
                assert!(one_line(&told).contains(name), "{told:#?}");
            }
        }
    }
    let url = format!("amqp://kim:{PASSWORD}@127.0.0.1:{nobody}/x");
    let told = stage.verify(&["--amqp-url", &format!("{url}?frame_max=x")]).await;
    assert!(one_line(&told).contains("OPENRUN_AMQP_URL"), "{told:#?}");
    // The promises need no broker.
    let told = stage.run("verify", &["--amqp-url", &url]).await;
    let said = format!("The dead letters were not counted: no RabbitMQ answers at 127.0.0.1:{nobody}");
    assert!(told.stdout.contains(&said) && told.stdout.ends_with("Every promise is held.\n"), "{told:#?}");
    assert!(told.code == 0 && !format!("{told:?}").contains(PASSWORD), "{told:#?}");
    let json = stage.verify(&["--amqp-url", &url]).await.json();
    assert!(json["dead_letters"].is_null() && json["dead_letters_not_counted"].is_string(), "{json}");
    let empty = Database::create().await;
    let told = stage.reconcile(&["--database-url", empty.url()]).await;
    assert!(one_line(&told).contains("openrun migrate"), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_that_does_not_exist() {
    let stage = Stage::settled().await;
    for command in ["reconcile", "verify"] {
        let told = stage.run(command, &["--coupon", "nobody-knows-it"]).await;
        assert!(one_line(&told).contains("nobody-knows-it"), "{told:#?}");
        let told = stage.run(command, &["--coupon", "not an id"]).await;
        assert!(told.code == 2 && told.stderr.contains("a coupon id is"), "{told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_without_a_database() {
    let empty = tempfile::tempdir().expect("a temporary directory");
    for command in ["reconcile", "verify"] {
        let told = Told::by(&[command], &[("OPENRUN_DATA_DIR", empty.path().to_str().expect("text"))]).await;
        assert!(one_line(&told).contains("no openrun database"), "{told:#?}");
    }
    assert!(empty.path().read_dir().expect("it is there").next().is_none(), "something was made");
}

#[tokio::test]
async fn an_interval_that_is_none() {
    for wrong in ["0", "-1", "soon", "86401", "1.5"] {
        let told = Told::by(&["serve"], &[("OPENRUN_RECONCILE_INTERVAL", wrong)]).await;
        assert!(told.code == 2 && told.stderr.contains("1 to 86400 seconds, or 'off'"), "{told:#?}");
    }
}

/// Whoever names a PostgreSQL means the data in it, and must see which data an answer is about.
#[tokio::test(flavor = "multi_thread")]
async fn the_data_that_is_meant_is_looked_at_and_named() {
    let stage = Stage::settled().await;
    let all = stage.stack.settings();
    let settings: Vec<_> = all.into_iter().filter(|(name, _)| *name != "OPENRUN_ENGINE").collect();
    for command in ["reconcile", "verify"] {
        let told = Told::by(&[command, "--json"], &settings).await;
        let json = told.json();
        assert_eq!((told.code, &json["engine"]), (0, &"redis-lua".into()), "{told:#?}");
        assert_eq!(json["coupons"][0]["coupon_id"], stage.coupon.id.as_str(), "{told:#?}");
        let place = json["place"].as_str().expect("a place");
        let [redis, database] = [&stage.stack.redis_url, &stage.stack.database_url]
            .map(|url| url::Url::parse(url).expect("it is a URL"));
        let [redis_port, port] = [&redis, &database].map(|url| url.port().expect("a private one"));
        let path = database.path();
        let expected = format!("PostgreSQL 127.0.0.1:{port}{path}, Redis 127.0.0.1:{redis_port}");
        assert_eq!(place, expected);
        let told = Told::by(&[command], &settings).await;
        assert!(told.stdout.starts_with(&format!("redis-lua: {place}\n")), "{told:#?}");
    }
}
