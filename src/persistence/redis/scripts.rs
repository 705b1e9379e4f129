//! The scripts of `lua/`. Each script on a coupon is preceded by `coupon.lua`.

use redis::{Script, ScriptInvocation};

use super::keys;
use crate::domain::CouponId;

macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(
            include_str!("../../../lua/coupon.lua"),
            include_str!(concat!("../../../lua/", $name, ".lua"))
        ))
    };
}

/// The scripts are called by their hash; the text is sent only if the server does not have it.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) admit: Script,
    pub(super) admit_held: Script,
    pub(super) depth: Script,
    pub(super) find: Script,
    pub(super) holders: Script,
    pub(super) load: Script,
    pub(super) lock_release: Script,
    pub(super) lock_take: Script,
    pub(super) pending: Script,
    pub(super) rebuild_begin: Script,
    pub(super) rebuild_finish: Script,
    pub(super) rebuild_rows: Script,
    pub(super) reconfigure: Script,
    pub(super) standing: Script,
    pub(super) suspend: Script,
    pub(super) trim: Script,
    pub(super) verify: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            admit: script!("admit"),
            admit_held: script!("admit_held"),
            depth: script!("depth"),
            find: script!("find"),
            holders: script!("holders"),
            load: script!("load"),
            lock_release: Script::new(include_str!("../../../lua/lock_release.lua")),
            lock_take: Script::new(include_str!("../../../lua/lock_take.lua")),
            pending: script!("pending"),
            rebuild_begin: script!("rebuild_begin"),
            rebuild_finish: script!("rebuild_finish"),
            rebuild_rows: script!("rebuild_rows"),
            reconfigure: script!("reconfigure"),
            standing: script!("standing"),
            suspend: script!("suspend"),
            trim: script!("trim"),
            verify: script!("verify"),
        }
    }
}

/// Prepares a call of `script` with the keys of `coupon`.
pub(super) fn invocation<'a>(script: &'a Script, coupon: &CouponId) -> ScriptInvocation<'a> {
    let mut run = script.prepare_invoke();
    for key in keys::of_coupon(coupon) {
        run.key(key);
    }
    run
}
