//! The binary: its output and its exit codes.

use std::process::{Command, Output};

use crate::server::{COUPON, CorrectServer, IssueHandler, Reaction, start};

async fn openrun_load(arguments: Vec<String>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrun-load"));
    command.arg("race").args(arguments);
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.expect("it does not panic").expect("the binary was built")
}

fn arguments(target: &str, coupon: &str, members: u64) -> Vec<String> {
    let members = members.to_string();
    ["--target", target, "--coupon", coupon, "--members", &members, "--clients", "4"]
        .map(str::to_owned)
        .into()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_kept_promise_exits_with_0_and_writes_a_report() {
    let target = start(CorrectServer::new(10)).await.to_string();
    let file = std::env::temp_dir().join(format!("openrun-load-{}.json", std::process::id()));
    let mut arguments = arguments(&target, COUPON, 100);
    arguments.extend(["--report".to_owned(), file.display().to_string()]);
    let output = openrun_load(arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("100 members asked for spring: 110 requests"), "{printed}");
    assert!(printed.ends_with("The promise held.\n"), "{printed}");
    let written = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&written).unwrap();
    assert_eq!((&json["issued"], &json["verdict"]), (&10.into(), &"holds".into()));
}

/// Issues the same coupon to every member.
struct SameCoupon;

impl IssueHandler for SameCoupon {
    async fn issue(&self, member: &str) -> Reaction {
        Reaction::issued(201, member, 1, "ONE")
    }
}

#[tokio::test]
async fn a_broken_promise_exits_with_1_and_names_the_violation() {
    let target = start(SameCoupon).await.to_string();
    let output = openrun_load(arguments(&target, COUPON, 3)).await;
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout);
    assert!(
        printed.contains("The promise is broken:\n  - sequence 1 was issued to two members"),
        "{printed}"
    );
}

#[tokio::test]
async fn a_mistake_exits_with_2_and_one_line_of_advice() {
    let target = start(CorrectServer::new(10)).await.to_string();
    let unused = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for (target, coupon, advice) in [
        ("https://127.0.0.1:1", COUPON, "point at the service itself"),
        ("nonsense !", COUPON, "write it as http://127.0.0.1:8080"),
        (unused.as_str(), COUPON, "start openrun there"),
        (target.as_str(), "autumn", "create it first"),
    ] {
        let output = openrun_load(arguments(target, coupon, 3)).await;
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(advice) && stderr.lines().count() == 1, "{stderr}");
    }
}
