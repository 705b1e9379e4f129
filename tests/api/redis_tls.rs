//! Redis over TLS: a certificate of a known authority is accepted, any other is refused.

use std::path::Path;
use std::process::Command;

use crate::program::run;
use crate::support::node::{NodeProcess, Stack};
use crate::support::ports::free_port;
use crate::support::process;
use crate::support::races::{create_coupon, request_coupon};
use crate::support::services::{PrivateRedis, Redis};

/// Makes an authority, and a certificate of it for `localhost`, with their keys.
fn make_certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        process::run(command.args(arguments.split_whitespace()).current_dir(folder));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&format!("req -x509 {key} -subj /CN=test-authority -keyout ca.key -out ca.pem"));
    openssl(&format!(
        "req -x509 {key} -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE \
         -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem"
    ));
}

#[tokio::test]
async fn private_redis_over_tls() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    make_certificates(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let port = free_port();
    let extra_arguments = [
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", &file("server.pem")],
        ["--tls-key-file", &file("server.key")],
        ["--tls-ca-cert-file", &file("ca.pem")],
        ["--tls-auth-clients", "no"],
    ];
    let extra_arguments = extra_arguments.concat().into_iter().map(str::to_owned).collect();
    let _redis = PrivateRedis::start_as(Redis { extra_arguments, ..Redis::default() }).await;
    let stack = Stack::with_redis(&format!("rediss://localhost:{port}")).await;

    let mut settings = vec![("OPENRUN_BIND", "127.0.0.1:0")];
    settings.extend(stack.settings());
    let line = run(&["serve"], &settings).await.one_line(2);
    assert!(line.contains("OPENRUN_REDIS_URL") && line.contains("ertificate"), "{line}");

    let node = NodeProcess::redis_lua(&stack).set("SSL_CERT_FILE", file("ca.pem")).start().await;
    create_coupon(node.address(), "drop", 1).await;
    assert_eq!(request_coupon(node.address(), "drop", "kim").await.0, 201);
}
