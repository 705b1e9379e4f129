//! `openrun probe`, the health check of a container.

use std::net::TcpListener;

use crate::program::run;
use crate::support::node::{NodeProcess, Stack};
use crate::support::ports::free_port;
use crate::support::services::PrivateRedis;

#[tokio::test]
async fn a_ready_node_is_probed_by_its_bind_address_or_by_url() {
    let node = NodeProcess::embedded().start().await;
    let bind = format!("0.0.0.0:{}", node.address().port());
    let own = run(&["probe"], &[("OPENRUN_BIND", &bind)]).await;
    assert_eq!((own.code, own.stdout.as_str(), own.stderr.as_str()), (Some(0), "", ""), "{own:#?}");
    assert_eq!(run(&["probe", &node.url("/livez")], &[]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn private_a_node_that_is_not_ready_is_distinguished_from_one_that_is_down() {
    let mut redis = PrivateRedis::start().await;
    let node = NodeProcess::redis_lua(&Stack::with_redis(&redis.url()).await).start().await;
    redis.kill();
    let line = run(&["probe", &node.url("/readyz")], &[]).await.one_line(1);
    assert!(line.contains("answers 503") && line.contains("unavailable"), "{line}");
    assert_eq!(run(&["probe", &node.url("/livez")], &[]).await.code, Some(0), "the process is alive");

    let unused = format!("127.0.0.1:{}", free_port());
    let line = run(&["probe"], &[("OPENRUN_BIND", &unused)]).await.one_line(1);
    assert!(line.contains("cannot be reached"), "{line}");
}

#[tokio::test]
async fn a_silent_node_is_reported_after_the_timeout() {
    // The listener accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let bind = silent.local_addr().expect("it is bound").to_string();
    let line = run(&["probe", "--bind", &bind, "--timeout-ms", "200"], &[]).await.one_line(1);
    assert!(line.contains("in time"), "{line}");
}

#[tokio::test]
async fn an_unusable_url_is_refused() {
    for arguments in [&["probe", "ftp://here"][..], &["probe", "readyz"], &["probe", "--bind", "127.0.0.1:0"]]
    {
        run(arguments, &[]).await.one_line(2);
    }
}
