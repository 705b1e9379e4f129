//! The page a member could press: the true answer, whatever it is.

use serde_json::{Value, json};

use crate::browser::{Browser, DESK};
use crate::stage::{MARKUP, create, get, is_clean, issue, node, post};
use crate::support::node::NodeProcess;

async fn page(node: &NodeProcess, coupon: &str) -> Browser {
    let browser = Browser::start(DESK).await;
    browser.go(&node.url(&format!("/try/{coupon}"))).await;
    browser
}

/// Says who asks.
async fn call_oneself(browser: &Browser, member: &str) {
    browser.run("document.getElementById('member').value = ''").await;
    browser.type_into("#member", member).await;
}

async fn until_answer(browser: &Browser, code: &str) {
    browser
        .until(&format!("document.querySelector('#answer:not([hidden])')?.dataset.code === '{code}'"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_told_issued_again_and_sold_out() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "name": MARKUP, "discount": "30% off", "total": 2 })).await;
    let browser = page(&node, "drop").await;
    browser.until_text("#name", MARKUP).await;
    browser.until_says("#left", "2 of 2 left").await;
    let guest = browser.run("return document.getElementById('member').value").await;
    assert!(guest.as_str().is_some_and(|guest| guest.starts_with("guest-") && guest.len() > 12), "{guest}");
    call_oneself(&browser, MARKUP).await;
    browser.click("#press").await;
    until_answer(&browser, "issued").await;
    let code = browser.text("#code").await;
    let held = issue(&node, "drop", MARKUP).await;
    assert_eq!(held["code"], code.as_str(), "the code is the one that the node knows");
    browser.click("#press").await;
    until_answer(&browser, "again").await;
    assert_eq!(browser.text("#code").await, code);
    browser.until_says("#answer-explain", "number 1").await;
    browser.until_says("#left", "1 of 2 left").await;
    issue(&node, "drop", "somebody else").await;
    browser.go(&node.url("/try/drop")).await;
    let remembered = browser.run("return document.getElementById('member').value").await;
    assert_eq!(remembered, MARKUP, "the device remembers who it belongs to");
    call_oneself(&browser, "late").await;
    browser.click("#press").await;
    until_answer(&browser, "sold_out").await;
    browser.until_says("#answer-title", "Sold out.").await;
    assert_eq!(browser.run("return document.getElementById('code').checkVisibility()").await, false);
    // The refusal itself is the browser's only complaint.
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|line| line.contains("409")), "{complaints:?}");
    is_clean(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_held_the_page_asks_again_by_itself() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "total": 1 })).await;
    post(&node, "/v1/coupons/drop/pause", &json!({})).await;
    let browser = page(&node, "drop").await;
    call_oneself(&browser, "kim").await;
    browser.click("#press").await;
    until_answer(&browser, "paused").await;
    browser.until_says("#answer-explain", "Asking again by itself in").await;
    post(&node, "/v1/coupons/drop/resume", &json!({})).await;
    until_answer(&browser, "issued").await;
    assert_eq!(get(&node, "/v1/coupons/drop").await["issued"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_got_lost_is_asked_for_again_until_it_is_known() {
    let mut node = node().await;
    create(&node, &json!({ "id": "drop", "total": 1 })).await;
    let browser = page(&node, "drop").await;
    call_oneself(&browser, "kim").await;
    node.freeze();
    browser.click("#press").await;
    node.kill();
    until_answer(&browser, "unreachable").await;
    browser.until_says("#answer-explain", "There may be a coupon for you.").await;
    assert!(browser.text("#answer-explain").await.contains("the answer will be the true one"));
    // Who does not want to wait any longer need not.
    browser.click("#stop").await;
    browser
        .until("document.getElementById('answer').hidden && !document.getElementById('press').disabled")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_opening_the_button_counts_down() {
    let node = node().await;
    let tomorrow = json!("2099-01-01T00:00:00Z");
    create(&node, &json!({ "id": "drop", "total": 1, "opens_at": tomorrow })).await;
    let browser = page(&node, "drop").await;
    browser.until("/^Opens in \\d+:\\d\\d:\\d\\d$/.test(document.getElementById('press').innerText)").await;
    assert_eq!(browser.run("return document.getElementById('press').disabled").await, true);
    // By the member's own watch it is time: the answer is the node's, and says when.
    let said: Value = browser
        .run("document.getElementById('press').disabled = false; document.getElementById('form').requestSubmit(); return true")
        .await;
    assert_eq!(said, true);
    until_answer(&browser, "not_open").await;
    browser.until_says("#answer-explain", "It opens").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_countdown_that_ends_lets_members_press() {
    let node = node().await;
    let soon = openrun::clock::now().plus_ms(6_000).to_string();
    create(&node, &json!({ "id": "drop", "total": 1, "opens_at": soon })).await;
    let browser = page(&node, "drop").await;
    browser.until("document.getElementById('name').innerText === 'drop'").await;
    browser.until("!document.getElementById('press').disabled").await;
    browser.click("#press").await;
    // The page's clock may be a second ahead of the node's: then it says so and counts on.
    browser.until("['issued', 'not_open'].includes(document.getElementById('answer').dataset.code)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_told_and_never_becomes_markup() {
    let node = node().await;
    let browser = page(&node, "%3Cimg%20src%3Dx%20onerror%3Ddocument.title%3D'taken%20over'%3E").await;
    browser.until_says("#name", "<img src=x").await;
    browser.go(&node.url("/try/nothing-here")).await;
    until_answer(&browser, "no_such_coupon").await;
    browser.until_says("#answer-title", "There is no such coupon.").await;
    assert_eq!(browser.run("return document.querySelectorAll('img').length").await, 0);
}
