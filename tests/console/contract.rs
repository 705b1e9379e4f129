//! The page that shows the contract, which is somebody else's work: it must do what it is for under our policy.

use serde_json::json;

use crate::browser::{Browser, DESK};
use crate::stage::{create, node};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_contract_works_under_its_policy() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "total": 2 })).await;
    let browser = Browser::start(DESK).await;
    browser.go(&node.url("/docs/")).await;
    let call = ".opblock-get:has([data-path='/v1/coupons'])";
    browser.click(&format!("{call} .opblock-summary-control")).await;
    browser.click(&format!("{call} .try-out__btn")).await;
    browser.click(&format!("{call} .execute")).await;
    browser.until_says(&format!("{call} .live-responses-table"), "\"drop\"").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
