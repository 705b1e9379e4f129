//! The members' page, which shows the true answer.

use serde_json::{Value, json};

use crate::browser::{Browser, DESKTOP};
use crate::stage::{MARKUP, assert_clean, create, get, issue, node, post};
use crate::support::node::NodeProcess;

async fn page(node: &NodeProcess, coupon: &str) -> Browser {
    let browser = Browser::start(DESKTOP).await;
    browser.go(&node.url(&format!("/try/{coupon}"))).await;
    browser
}

async fn enter_member(browser: &Browser, member: &str) {
    browser.run("document.getElementById('member').value = ''").await;
    browser.type_into("#member", member).await;
}

async fn until_answer(browser: &Browser, code: &str) {
    browser
        .until(&format!("document.querySelector('#answer:not([hidden])')?.dataset.code === '{code}'"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_issued_again_and_sold_out() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "name": MARKUP, "discount": "30% off", "total": 2 })).await;
    let browser = page(&node, "drop").await;
    browser.until_text("#name", MARKUP).await;
    browser.until_contains("#left", "2 of 2 left").await;
    let guest = browser.run("return document.getElementById('member').value").await;
    assert!(guest.as_str().is_some_and(|guest| guest.starts_with("guest-") && guest.len() > 12), "{guest}");
    enter_member(&browser, MARKUP).await;
    browser.click("#press").await;
    until_answer(&browser, "issued").await;
    let code = browser.text("#code").await;
    let held = issue(&node, "drop", MARKUP).await;
    assert_eq!(held["code"], code.as_str(), "the page shows the code of the issuance");
    browser.click("#press").await;
    until_answer(&browser, "again").await;
    assert_eq!(browser.text("#code").await, code);
    browser.until_contains("#answer-explain", "number 1").await;
    browser.until_contains("#left", "1 of 2 left").await;
    issue(&node, "drop", "another member").await;
    browser.go(&node.url("/try/drop")).await;
    let remembered = browser.run("return document.getElementById('member').value").await;
    assert_eq!(remembered, MARKUP, "the browser remembers the member");
    enter_member(&browser, "late").await;
    browser.click("#press").await;
    until_answer(&browser, "sold_out").await;
    browser.until_contains("#answer-title", "Sold out.").await;
    assert_eq!(browser.run("return document.getElementById('code').checkVisibility()").await, false);
    // Only the rejection is logged as an error.
    let errors = browser.errors().await;
    assert!(errors.iter().all(|line| line.contains("409")), "{errors:?}");
    assert_clean(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_again_while_the_coupon_is_paused() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "total": 1 })).await;
    post(&node, "/v1/coupons/drop/pause", &json!({})).await;
    let browser = page(&node, "drop").await;
    enter_member(&browser, "kim").await;
    browser.click("#press").await;
    until_answer(&browser, "paused").await;
    browser.until_contains("#answer-explain", "This page tries again in").await;
    post(&node, "/v1/coupons/drop/resume", &json!({})).await;
    until_answer(&browser, "issued").await;
    assert_eq!(get(&node, "/v1/coupons/drop").await["issued"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_again_after_a_lost_answer() {
    let mut node = node().await;
    create(&node, &json!({ "id": "drop", "total": 1 })).await;
    let browser = page(&node, "drop").await;
    enter_member(&browser, "kim").await;
    node.freeze();
    browser.click("#press").await;
    node.kill();
    until_answer(&browser, "unreachable").await;
    browser.until_contains("#answer-explain", "You may have a coupon.").await;
    assert!(browser.text("#answer-explain").await.contains("shows the true result"));
    // A member can stop the retries.
    browser.click("#stop").await;
    browser
        .until("document.getElementById('answer').hidden && !document.getElementById('press').disabled")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_button_counts_down_to_the_opening() {
    let node = node().await;
    let tomorrow = json!("2099-01-01T00:00:00Z");
    create(&node, &json!({ "id": "drop", "total": 1, "opens_at": tomorrow })).await;
    let browser = page(&node, "drop").await;
    browser.until("/^Opens in \\d+:\\d\\d:\\d\\d$/.test(document.getElementById('press').innerText)").await;
    assert_eq!(browser.run("return document.getElementById('press').disabled").await, true);
    // A press that is too early by the node's clock gets the opening time.
    let submitted: Value = browser
        .run("document.getElementById('press').disabled = false; document.getElementById('form').requestSubmit(); return true")
        .await;
    assert_eq!(submitted, true);
    until_answer(&browser, "not_open").await;
    browser.until_contains("#answer-explain", "It opens").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_button_is_enabled_after_the_countdown() {
    let node = node().await;
    let soon = openrun::clock::now().plus_ms(6_000).to_string();
    create(&node, &json!({ "id": "drop", "total": 1, "opens_at": soon })).await;
    let browser = page(&node, "drop").await;
    browser.until("document.getElementById('name').innerText === 'drop'").await;
    browser.until("!document.getElementById('press').disabled").await;
    browser.click("#press").await;
    // The page's clock may be up to a second ahead of the node's. Then the page shows `not_open` and continues to count.
    browser.until("['issued', 'not_open'].includes(document.getElementById('answer').dataset.code)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_coupon_is_reported_and_its_id_never_becomes_markup() {
    let node = node().await;
    let browser = page(&node, "%3Cimg%20src%3Dx%20onerror%3Ddocument.title%3D'taken%20over'%3E").await;
    browser.until_contains("#name", "<img src=x").await;
    browser.go(&node.url("/try/nothing-here")).await;
    until_answer(&browser, "no_such_coupon").await;
    browser.until_contains("#answer-title", "There is no such coupon.").await;
    assert_eq!(browser.run("return document.querySelectorAll('img').length").await, 0);
}
