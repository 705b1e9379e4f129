//! The pictures in docs/screenshots, which `scripts/screenshots` takes again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::browser::{Browser, DESKTOP, Device, PHONE};
use crate::stage::{console, create, issue, post};
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::http;

/// Saves a screenshot in base 64. `scripts/screenshots` decodes it.
async fn save_picture(browser: &Browser, name: &str) {
    let folder =
        PathBuf::from(std::env::var("OPENRUN_SCREENSHOTS").expect("scripts/screenshots sets the folder"));
    fs::create_dir_all(&folder).expect("the folder can be created");
    fs::write(folder.join(format!("{name}.png.base64")), browser.picture().await)
        .expect("the file can be written");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes pictures: scripts/screenshots"]
async fn pictures() {
    // Coupons of other tests would be in the picture, but scripts/screenshots runs this test alone.
    let node = NodeProcess::redis_lua(&Stack::shared().await).start().await;
    let name = "Summer drop · 여름 쿠폰";
    create(&node, &json!({ "id": "summer-drop", "name": name, "discount": "30%", "total": 1000 })).await;
    create(&node, &json!({ "id": "early-birds", "name": "Early birds", "total": 3 })).await;
    create(&node, &json!({ "id": "winter-sale", "name": "Winter sale", "total": 5000, "opens_at": "2099-12-01T00:00:00Z" })).await;
    create(&node, &json!({ "id": "newcomers", "name": "Newcomers", "total": 200 })).await;
    post(&node, "/v1/coupons/newcomers/pause", &json!({})).await;
    for member in ["kim", "lee", "park"] {
        issue(&node, "early-birds", member).await;
    }
    let desk = console(&node, Device { size: (1280, 1500), ..DESKTOP }).await;
    let phone = console(&node, PHONE).await;
    let url = node.url("/v1/coupons/summer-drop/issuances");
    let issuing = tokio::spawn(async move {
        for member in 0..400 {
            let _answer = http().post(&url).json(&json!({ "member_id": format!("m{member}") })).send().await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    desk.until(
        "Number(document.querySelector('[data-coupon=summer-drop] [data-part=remaining]').innerText) < 780",
    )
    .await;
    save_picture(&desk, "console").await;
    phone.run("document.querySelector('[data-coupon=summer-drop]').scrollIntoView()").await;
    save_picture(&phone, "console-phone-ko").await;
    issuing.await.expect("the task ends");
    let member = Browser::start(Device { size: (420, 760), ..DESKTOP }).await;
    member.go(&node.url("/try/summer-drop")).await;
    member.click("#press").await;
    member.until("document.getElementById('answer').dataset.code === 'issued'").await;
    save_picture(&member, "try-issued").await;
    member.go(&node.url("/try/early-birds")).await;
    member.click("#press").await;
    member.until("document.getElementById('answer').dataset.code === 'sold_out'").await;
    save_picture(&member, "try-sold-out").await;
}

/// Every clone contains the pictures, so they are small.
#[test]
fn the_pictures_exist_and_are_small() {
    for name in ["console", "console-phone-ko", "try-issued", "try-sold-out"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/screenshots/{name}.png"));
        let bytes = fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).len();
        assert!(bytes < 150 * 1024, "{name} has {bytes} bytes");
    }
}
