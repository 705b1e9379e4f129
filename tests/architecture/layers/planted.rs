//! The checker finds each kind of fault where it is planted, and nothing where there is none.

use super::check;

fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<(String, String)> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    check(&files)
}

#[track_caller]
fn assert_found(path: &str, text: &str, expected: &str) {
    assert_eq!(faults(&[(path, text)]), [format!("src/{path}:{expected}")], "in {text}");
}

#[track_caller]
fn assert_clean(path: &str, text: &str) {
    assert_eq!(faults(&[(path, text)]), [""; 0], "in {text}");
}

#[test]
fn imports_from_lower_layers_and_the_own_module_are_fine() {
    assert_clean("actors/event.rs", "use crate::{domain::Coupon, gate::Gate, messaging, ports::Engine};");
    assert_clean("actors/event.rs", "use crate::actors::registry; use super::contain; use self::inner::X;");
    assert_clean(
        "persistence/redis/engine.rs",
        "use crate::ports::Engine; use redis::Script; use super::script;",
    );
    assert_clean("main.rs", "fn main() { openrun::cli::run(); crate::http::serve(); }");
    assert_clean("lib.rs", "pub mod domain; pub use crate::http::serve;");
}

#[test]
fn an_import_from_a_higher_layer_is_found_however_it_is_written() {
    let up = "domain -> http goes up";
    assert_found("domain/coupon.rs", "use crate::http::Answer;", &format!("1: {up}"));
    assert_found("domain/coupon.rs", "\n\nuse crate::http;", &format!("3: {up}"));
    assert_found(
        "domain/coupon.rs",
        "use crate::{\n  domain::{A, B},\n  http::{self, Answer},\n};",
        &format!("3: {up}"),
    );
    assert_found("domain/coupon.rs", "use {std::fmt, crate::{http as web}};", &format!("1: {up}"));
    assert_found("domain/coupon.rs", "use crate::http::*;", &format!("1: {up}"));
    assert_found("domain/coupon.rs", "pub use openrun::http::Answer;", &format!("1: {up}"));
    assert_found("domain/coupon.rs", "fn f() -> crate::http::Answer { todo!() }", &format!("1: {up}"));
    assert_found("domain/coupon.rs", "fn f(x: Vec<&crate::http::Answer>) {}", &format!("1: {up}"));
    assert_found("domain/coupon.rs", "#[derive(crate::http::Answer)] struct X;", &format!("1: {up}"));
    assert_found(
        "domain/coupon.rs",
        "fn f() { select! { x => crate::http::serve::<u8>(x) } }",
        &format!("1: {up}"),
    );
    assert_found("domain/coupon.rs", "use super::super::http::Answer;", &format!("1: {up}"));
    assert_found("domain/coupon.rs", "mod tests { use super::super::super::http::X; }", &format!("1: {up}"));
    assert_found("domain/mod.rs", "use super::http::Answer;", &format!("1: {up}"));
    assert_found("domain/coupon.rs", "use crate::r#http::Answer;", &format!("1: {up}"));
    assert_found("gate.rs", "use super::actors::Registry;", "1: gate -> actors goes up");
    assert_found("http/coupons.rs", "use crate::bootstrap::App;", "1: http -> bootstrap goes up");
    assert_found("bootstrap/mod.rs", "use crate::cli::Flags;", "1: bootstrap -> cli goes up");
    assert_found("domain/coupon.rs", "use crate::ports::Engine;", "1: domain -> ports goes up");
}

#[test]
fn an_import_from_the_same_layer_is_found() {
    assert_found("telemetry.rs", "use crate::retry::Policy;", "1: telemetry -> retry goes sideways");
    assert_found("retry.rs", "use crate::telemetry::Meter;", "1: retry -> telemetry goes sideways");
    assert_found("gate.rs", "use crate::persistence::X;", "1: gate -> persistence goes sideways");
    assert_found(
        "messaging/mod.rs",
        "use crate::persistence::X;",
        "1: messaging -> persistence goes sideways",
    );
    assert_found(
        "persistence/mod.rs",
        "use crate::messaging::X;",
        "1: persistence -> messaging goes sideways",
    );
    assert_found("persistence/mod.rs", "use crate::gate::Gate;", "1: persistence -> gate goes sideways");
}

#[test]
fn the_folders_of_actors_are_layers() {
    assert_clean("actors/upkeep/gate_keeper.rs", "use crate::actors::issuing::CouponHandle;");
    assert_found(
        "actors/delivery/publisher.rs",
        "use crate::actors::issuing::CouponHandle;",
        "1: actors::delivery -> actors::issuing goes up",
    );
    assert_found(
        "actors/reconcile/run.rs",
        "use super::super::upkeep::CouponAdmin;",
        "1: actors::reconcile -> actors::upkeep goes sideways",
    );
}

#[test]
fn a_circle_of_files_across_folders_is_found_through_re_exports() {
    let tree = [
        ("http/mod.rs", "mod live; mod state; pub use self::state::State;"),
        ("http/state.rs", "use super::live::Live; pub struct State(Live);"),
        ("http/live/mod.rs", "mod gather; pub use gather::Live;"),
        ("http/live/gather.rs", "use crate::http::State; pub struct Live(Option<Box<State>>);"),
    ];
    let circle = "a circle of files across folders: src/http/live/gather.rs, src/http/state.rs";
    assert_eq!(faults(&tree), [circle]);
    let within_a_folder = [
        ("http/mod.rs", "mod a; mod b;"),
        ("http/a.rs", "use super::b::B; pub struct A(B);"),
        ("http/b.rs", "use super::a::A; pub struct B(Option<Box<A>>);"),
    ];
    assert_eq!(faults(&within_a_folder), [""; 0]);
}

#[test]
fn technologies_do_not_know_each_other() {
    let tree = |path, text| {
        faults(&[("persistence/redis/mod.rs", ""), ("persistence/sqlite/mod.rs", ""), (path, text)])
    };
    let fault = "persistence::postgres -> persistence::redis goes sideways";
    for text in [
        "use crate::persistence::redis::X;",
        "use super::super::redis::X;",
        "use crate::persistence::{redis, rows};",
    ] {
        assert_eq!(
            tree("persistence/postgres/engine.rs", text),
            [format!("src/persistence/postgres/engine.rs:1: {fault}")]
        );
    }
    assert_eq!(tree("persistence/postgres/engine.rs", "use crate::persistence::rows::Row;"), [""; 0]);
    assert_eq!(
        tree("persistence/mod.rs", "pub mod redis; pub use self::redis::Engine; pub use redis::Other;"),
        [""; 0]
    );
    assert_eq!(
        faults(&[("messaging/memory/mod.rs", "use super::rabbitmq::X;"), ("messaging/rabbitmq/mod.rs", "")]),
        ["src/messaging/memory/mod.rs:1: messaging::memory -> messaging::rabbitmq goes sideways"]
    );
}

#[test]
fn an_unknown_module_is_found_on_either_end() {
    assert_found(
        "utils.rs",
        "",
        "1: the module `utils` has no layer: give it one in tests/architecture/layers/mod.rs",
    );
    assert_found(
        "http/mod.rs",
        "use crate::Engine;",
        "1: http -> crate::Engine: no module of that name: import it from its module",
    );
}

#[test]
fn crates_with_an_owner_are_named_there_only() {
    let redis = "redis: that crate is named in src/persistence/redis only";
    assert_found("actors/event.rs", "use redis::Client;", &format!("1: actors/event -> {redis}"));
    assert_found("actors/event.rs", "use redis;", &format!("1: actors/event -> {redis}"));
    assert_found("actors/event.rs", "use redis as store;", &format!("1: actors/event -> {redis}"));
    assert_found(
        "actors/event.rs",
        "use {std::fmt, redis::{self, aio}};",
        &format!("1: actors/event -> {redis}"),
    );
    assert_found("actors/event.rs", "fn f(x: ::redis::Client) {}", &format!("1: actors/event -> {redis}"));
    assert_found(
        "actors/event.rs",
        "fn f(x: Option<redis::Client>) {}",
        &format!("1: actors/event -> {redis}"),
    );
    assert_found(
        "persistence/redisx/mod.rs",
        "use redis::Client;",
        &format!("1: persistence/redisx -> {redis}"),
    );
    assert_found(
        "persistence/redis/mod.rs",
        "#[derive(sqlx::FromRow)] struct Row;",
        "1: persistence/redis -> sqlx: that crate is named in src/persistence/postgres and src/persistence/sqlite only",
    );
    assert_found(
        "http/mod.rs",
        "use lapin::Channel;",
        "1: http -> lapin: that crate is named in src/messaging/rabbitmq only",
    );
    assert_found(
        "http/mod.rs",
        "use backoff::Error;",
        "1: http -> backoff: that crate is named in src/retry only",
    );
    assert_clean("retry.rs", "use backoff::ExponentialBackoff;");
    assert_clean("messaging/rabbitmq/publisher.rs", "use lapin::Channel;");
    assert_clean("persistence/sqlite/mod.rs", "use sqlx::Row;");
    // A module of this crate with the same name is not the crate.
    assert_clean("bootstrap/mod.rs", "use crate::persistence::redis; fn f() { redis::Engine::new(); }");
    assert_clean(
        "bootstrap/mod.rs",
        "use crate::persistence::{redis::{self}}; fn f() -> redis::Engine { x }",
    );
    assert_clean("http/mod.rs", "fn f(redis: u8) { redis.g(); let lapin = Rabbit::sqlx::<u8>(); }");
}

#[test]
fn the_domain_is_pure() {
    assert_found("domain/a.rs", "async fn f() {}", "1: the domain knows no async");
    assert_found("domain/a.rs", "fn f() { x.await; }", "1: the domain knows no async");
    assert_found("domain/a.rs", "use tokio::sync::Mutex;", "1: domain -> tokio: the domain is pure");
    assert_found("domain/a.rs", "use std::{fmt, fs};", "1: domain -> std::fs: the domain is pure");
    assert_found("domain/a.rs", "use std::net::IpAddr;", "1: domain -> std::net: the domain is pure");
    assert_found("domain/a.rs", "use actix::Actor;", "1: domain -> actix: the domain is pure");
    assert_found("domain/a.rs", "fn f() { std::fs::read(x); }", "1: domain -> std::fs: the domain is pure");
    let clock = |path| format!("1: domain -> {path}: the domain has no clock, it is given the time");
    assert_found(
        "domain/a.rs",
        "use std::time::SystemTime; fn f() { SystemTime::now(); }",
        &clock("std::time::SystemTime::now"),
    );
    assert_found(
        "domain/a.rs",
        "use std::time as t; fn f() { t::Instant::now(); }",
        &clock("std::time::Instant::now"),
    );
    assert_found(
        "domain/a.rs",
        "fn f() { time::OffsetDateTime::now_utc(); }",
        &clock("time::OffsetDateTime::now_utc"),
    );
    assert_clean(
        "domain/a.rs",
        "use std::time::Duration; use time::OffsetDateTime; fn f(now: OffsetDateTime) {}",
    );
}

#[test]
fn comments_and_strings_do_not_count() {
    assert_clean(
        "domain/a.rs",
        "//! See crate::http.\n/* use tokio::x; */ // async\n/// [`crate::http::X`]\nfn f() {}",
    );
    assert_clean("domain/a.rs", "fn f() -> &'static str { r#\"use crate::http; tokio::spawn\"# }");
}

#[test]
fn a_file_that_is_too_long_or_no_rust_is_found() {
    let text = "// A line.\n".repeat(501);
    assert_found("domain/a.rs", &text, "501: more than 500 lines: split it");
    assert_clean("domain/a.rs", &text["// A line.\n".len()..]);
    let faults = faults(&[("domain/a.rs", "fn f( {")]);
    assert!(faults[0].starts_with("src/domain/a.rs:1: cannot be read as Rust"), "{faults:?}");
}
