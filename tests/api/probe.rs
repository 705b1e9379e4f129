//! `openrun probe`, the health check of containers.

use std::net::TcpListener;

use crate::program::run;
use crate::support::node::{NodeProcess, Stack};
use crate::support::ports::free_port;
use crate::support::services::PrivateRedis;

#[tokio::test]
async fn a_ready_node_is_found_by_its_environment_or_by_url() {
    let node = NodeProcess::embedded().start().await;
    let bind = format!("0.0.0.0:{}", node.address().port());
    let own = run(&["probe"], &[("OPENRUN_BIND", &bind)]).await;
    assert_eq!((own.code, own.stdout.as_str(), own.stderr.as_str()), (Some(0), "", ""), "{own:#?}");
    assert_eq!(run(&["probe", &node.url("/livez")], &[]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn private_an_unready_node_and_an_absent_node_are_told_apart() {
    let mut redis = PrivateRedis::start().await;
    let node = NodeProcess::redis_lua(&Stack::with_redis(&redis.url()).await).start().await;
    redis.kill();
    let line = run(&["probe", &node.url("/readyz")], &[]).await.one_line(1);
    assert!(line.contains("answers 503") && line.contains("unavailable"), "{line}");
    assert_eq!(run(&["probe", &node.url("/livez")], &[]).await.code, Some(0), "the node is live");

    let unused_address = format!("127.0.0.1:{}", free_port());
    let line = run(&["probe"], &[("OPENRUN_BIND", &unused_address)]).await.one_line(1);
    assert!(line.contains("cannot be reached"), "{line}");
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    // The listener accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let bind = silent.local_addr().expect("an address").to_string();
    let line = run(&["probe", "--bind", &bind, "--timeout-ms", "200"], &[]).await.one_line(1);
    assert!(line.contains("in time"), "{line}");
}

#[tokio::test]
async fn an_invalid_url_is_a_usage_error() {
    for arguments in [&["probe", "ftp://here"][..], &["probe", "readyz"], &["probe", "--bind", "127.0.0.1:0"]]
    {
        run(arguments, &[]).await.one_line(2);
    }
}
