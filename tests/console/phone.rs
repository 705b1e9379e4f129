//! The pages on a phone, in Korean.

use serde_json::json;

use crate::browser::{Browser, PHONE};
use crate::stage::{MARKUP, assert_clean, console, create, issue, node};

/// Panics if a visible button is too small for a thumb.
async fn assert_buttons_are_large(browser: &Browser) {
    let small = "return [...document.querySelectorAll('button')].filter((button) => button.checkVisibility() && \
        button.getBoundingClientRect().height < 40).map((button) => button.innerText)";
    assert_eq!(browser.run(small).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_is_in_korean_and_fits_a_phone() {
    let node = node().await;
    let (long, wide) = ("c".repeat(64), "W".repeat(100));
    create(&node, &json!({ "id": "drop", "name": "여름 쿠폰", "total": 1_000_000 })).await;
    create(&node, &json!({ "id": long, "name": wide, "total": 100_000_000 })).await;
    issue(&node, "drop", MARKUP).await;
    let browser = console(&node, PHONE).await;
    assert_eq!(
        browser.run("return [document.documentElement.lang, document.title]").await,
        json!(["ko", "openrun 운영 콘솔"])
    );
    browser.until_contains("[data-coupon=drop] .state", "발급 중").await;
    browser.until_text("[data-coupon=drop] [data-part=remaining]", "999,999").await;
    browser.until_text("[data-coupon=drop] [data-part=pause]", "일시 중지").await;
    browser.until_contains("[data-actor=gate-keeper] .state", "실행 중").await;
    browser.until(&format!("document.querySelector('[data-coupon=\"{long}\"]')")).await;
    assert_eq!(browser.overflow().await, 0, "the page needs no horizontal scrolling");
    assert_buttons_are_large(&browser).await;
    // A change of the language works at once and is remembered.
    browser.click("[data-language=en]").await;
    browser.until_contains("[data-coupon=drop] .state", "Open").await;
    browser.go(&node.url("/console")).await;
    browser.until_contains(".connection", "Live").await;
    assert_eq!(browser.run("return document.documentElement.lang").await, "en");
    assert_eq!(browser.overflow().await, 0);
    assert_clean(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_page_works_in_korean_on_a_phone() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "name": "W".repeat(100), "total": 1 })).await;
    let browser = Browser::start(PHONE).await;
    browser.go(&node.url("/try/drop")).await;
    browser.until_text("#press", "쿠폰 받기").await;
    browser.until_contains("#left", "1장 중 1장 남음").await;
    browser.click("#press").await;
    browser.until_contains("#answer-title", "발급되었습니다!").await;
    assert_eq!(browser.overflow().await, 0);
    assert_buttons_are_large(&browser).await;
    assert_clean(&browser).await;
}
