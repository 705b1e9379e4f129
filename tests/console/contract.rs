//! The API documentation page, third-party code that must work under our content policy.

use serde_json::json;

use crate::browser::{Browser, DESKTOP};
use crate::stage::{create, node};

#[tokio::test(flavor = "multi_thread")]
async fn the_api_documentation_works_under_its_policy() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "total": 2 })).await;
    let browser = Browser::start(DESKTOP).await;
    browser.go(&node.url("/docs/")).await;
    let call = ".opblock-get:has([data-path='/v1/coupons'])";
    browser.click(&format!("{call} .opblock-summary-control")).await;
    browser.click(&format!("{call} .try-out__btn")).await;
    browser.click(&format!("{call} .execute")).await;
    browser.until_contains(&format!("{call} .live-responses-table"), "\"drop\"").await;
    assert_eq!(browser.errors().await, Vec::<String>::new());
}
