//! Every scenario of `run` comes to a verdict and has the expected counts.

use std::time::Duration;

use openrun_load::run::{self, RunConfig, RunError, RunReport, Scenario};
use openrun_load::{Verdict, page};

use crate::node::Node;

fn brief(node: &Node, scenario: Scenario) -> RunConfig {
    let mut config = RunConfig::new(node.target.clone(), scenario);
    config.duration = Duration::from_millis(300);
    config.connections = 8;
    config
}

async fn report_of(config: &RunConfig) -> RunReport {
    let report = run::run(config, |_| {}, std::future::pending()).await.expect("the run succeeds");
    assert_eq!(report.verdict, Verdict::Holds);
    assert_eq!(report.counts.errors(), 0, "{:?}", report.counts);
    assert!(!report.curve_ms.is_empty() && !report.slices.is_empty());
    report
}

#[tokio::test]
async fn a_closed_loop_issues_to_every_member() {
    let node = Node::start().await;
    let report = report_of(&brief(&node, Scenario::Sustained)).await;
    let audit = &report.audits[0];
    assert!(report.counts.issued > 0);
    assert_eq!(
        (audit.answered_members, u64::from(audit.issued)),
        (report.counts.issued, report.counts.issued)
    );
}

#[tokio::test]
async fn an_open_loop_has_exactly_the_members_of_its_stages() {
    let node = Node::start().await;
    let mut config = brief(&node, Scenario::Sustained);
    config.rates = vec![100.0, 200.0];
    config.duration = Duration::from_millis(500);
    let report = report_of(&config).await;
    assert_eq!(report.counts.issued, 50 + 100);
}

#[tokio::test]
async fn a_burst_is_one_request_a_member() {
    let node = Node::start().await;
    let mut config = brief(&node, Scenario::Burst);
    config.members = 300;
    config.stock = 100;
    let report = report_of(&config).await;
    assert_eq!((report.counts.issued, report.counts.sold_out), (100, 200));
    assert_eq!(report.connections, 300);
    assert!(page::render(&report).contains("burst of 300 members"));
}

#[tokio::test]
async fn a_double_click_is_one_coupon_for_two_answers() {
    let node = Node::start().await;
    let mut config = brief(&node, Scenario::DoubleClick);
    config.rates = vec![200.0];
    let report = report_of(&config).await;
    assert_eq!((report.counts.issued, report.counts.repeated), (60, 60));
    assert_eq!(report.audits[0].answered_members, 60);
}

#[tokio::test]
async fn a_sold_out_coupon_stays_sold_out() {
    let node = Node::start().await;
    let report = report_of(&brief(&node, Scenario::SoldOut)).await;
    assert!(report.counts.sold_out > 0);
    assert_eq!((report.counts.issued, report.audits[0].issued), (0, 1));
}

#[tokio::test]
async fn several_coupons_are_requested_in_turn() {
    let node = Node::start().await;
    let mut config = brief(&node, Scenario::Mixed);
    config.rates = vec![200.0];
    config.coupon_count = 3;
    let report = report_of(&config).await;
    let issued: Vec<u32> = report.audits.iter().map(|audit| audit.issued).collect();
    assert_eq!(issued, [20, 20, 20]);
}

#[tokio::test]
async fn the_sold_out_scenario_refuses_a_coupon_with_stock() {
    let node = Node::start().await;
    let mut admin = openrun_load::admin_client::AdminClient::new(node.target.clone(), None);
    admin.create_coupon("spring", 5).await.expect("the coupon is created");
    let mut config = brief(&node, Scenario::SoldOut);
    config.coupons = vec!["spring".to_owned()];
    let error = run::run(&config, |_| {}, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, RunError::NotSoldOut(_)), "{error}");
}
