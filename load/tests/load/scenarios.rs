//! Every scenario of `run` comes to a verdict, and counts what it should.

use std::time::Duration;

use openrun_load::run::{self, RunConfig, RunError, RunReport, Scenario};
use openrun_load::{Verdict, page};

use crate::node::Node;

fn brief(node: &Node, scenario: Scenario) -> RunConfig {
    let mut config = RunConfig::new(node.target.clone(), scenario);
    config.lasts = Duration::from_millis(300);
    config.connections = 8;
    config
}

async fn report_of(config: &RunConfig) -> RunReport {
    let report = run::run(config, |_| {}, std::future::pending()).await.expect("it can be run");
    assert_eq!(report.verdict, Verdict::Holds);
    assert_eq!(report.counts.errors(), 0, "{:?}", report.counts);
    assert!(!report.curve_ms.is_empty() && !report.slices.is_empty());
    report
}

#[tokio::test]
async fn a_closed_loop_issues_to_everybody_who_asks() {
    let node = Node::start().await;
    let report = report_of(&brief(&node, Scenario::Sustained)).await;
    let truth = &report.truth[0];
    assert!(report.counts.issued > 0);
    assert_eq!((truth.told, u64::from(truth.issued)), (report.counts.issued, report.counts.issued));
}

#[tokio::test]
async fn an_open_loop_brings_exactly_the_members_of_its_steps() {
    let node = Node::start().await;
    let mut config = brief(&node, Scenario::Sustained);
    config.rates = vec![100.0, 200.0];
    config.lasts = Duration::from_millis(500);
    let report = report_of(&config).await;
    assert_eq!(report.counts.issued, 50 + 100);
}

#[tokio::test]
async fn a_burst_is_everybody_once() {
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
    assert_eq!(report.truth[0].told, 60);
}

#[tokio::test]
async fn a_sold_out_coupon_stays_sold_out() {
    let node = Node::start().await;
    let report = report_of(&brief(&node, Scenario::SoldOut)).await;
    assert!(report.counts.sold_out > 0);
    assert_eq!((report.counts.issued, report.truth[0].issued), (0, 1));
}

#[tokio::test]
async fn several_coupons_are_asked_for_in_turn() {
    let node = Node::start().await;
    let mut config = brief(&node, Scenario::Mixed);
    config.rates = vec![200.0];
    config.coupons_made = 3;
    let report = report_of(&config).await;
    let issued: Vec<u32> = report.truth.iter().map(|truth| truth.issued).collect();
    assert_eq!(issued, [20, 20, 20]);
}

#[tokio::test]
async fn a_coupon_that_is_not_sold_out_is_no_coupon_for_that_scenario() {
    let node = Node::start().await;
    let mut admin = openrun_load::admin_client::AdminClient::new(node.target.clone(), None);
    admin.create_coupon("spring", 5).await.expect("it is made");
    let mut config = brief(&node, Scenario::SoldOut);
    config.coupons = vec!["spring".to_owned()];
    let error = run::run(&config, |_| {}, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, RunError::StillThere(_)), "{error}");
}
