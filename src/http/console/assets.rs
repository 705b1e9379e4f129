//! The files of the pages, embedded into the binary.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

pub(super) const CONSOLE_PAGE: &str = include_str!("assets/console.html");
pub(super) const TRY_PAGE: &str = include_str!("assets/try.html");

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

pub(super) struct Asset {
    name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) body: &'static str,
    /// A hash of the body.
    pub(super) etag: String,
}

pub(super) fn find(name: &str) -> Option<&'static Asset> {
    static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(all);
    ASSETS.iter().find(|asset| asset.name == name)
}

fn all() -> Vec<Asset> {
    let files = [
        ("style.css", STYLE, include_str!("assets/style.css")),
        ("console.js", SCRIPT, include_str!("assets/console.js")),
        ("views.js", SCRIPT, include_str!("assets/views.js")),
        ("dialog.js", SCRIPT, include_str!("assets/dialog.js")),
        ("events.js", SCRIPT, include_str!("assets/events.js")),
        ("dom.js", SCRIPT, include_str!("assets/dom.js")),
        ("words.js", SCRIPT, include_str!("assets/words.js")),
        ("words-en.js", SCRIPT, include_str!("assets/words-en.js")),
        ("words-ko.js", SCRIPT, include_str!("assets/words-ko.js")),
        ("try.js", SCRIPT, include_str!("assets/try.js")),
        ("issuing.js", SCRIPT, include_str!("assets/issuing.js")),
    ];
    files.map(|(name, content_type, body)| Asset { name, content_type, body, etag: etag(body) }).into()
}

fn etag(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    let head = digest.first_chunk().copied().unwrap_or_default();
    format!("\"{:016x}\"", u64::from_be_bytes(head))
}
