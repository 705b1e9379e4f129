//! Log lines are for people: no field and no message uses the Debug form of a value.

use std::path::Path;
use std::str::FromStr as _;

use proc_macro2::{Spacing, TokenStream, TokenTree};

use crate::layers::collect;

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "event"];

#[test]
fn no_log_line_has_a_debug_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    let mut lines = 0;
    let mut faults = Vec::new();
    for (path, text) in &files {
        let found = debug_forms(text, &mut lines);
        faults
            .extend(found.into_iter().map(|line| format!("src/{path}:{line}: a log line has a debug form")));
    }
    assert!(lines > 50, "only {lines} log lines found: the search is broken");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_debug_forms_are_found() {
    for bad in [
        "tracing::warn!(?reply, \"x\")",
        "tracing::warn!(a, ?reply, \"x\")",
        "fn f() { tracing::error!(target: \"t\", a = ?reply.b, \"x\"); }",
        "match a { _ => tracing::info!(\"{reply:?}\") }",
        "tracing::debug!(\"{:#?}\", reply)",
        "tracing::debug!(a = tracing::field::debug(reply), \"x\")",
    ] {
        assert_eq!(debug_forms(bad, &mut 0), [1], "{bad}");
    }
    for good in [
        "tracing::warn!(%reply, a = reply?, b = f(x?), \"why? {reply}\")",
        "format!(\"{reply:?}\"); println!(?reply)",
        "// tracing::warn!(?reply)",
    ] {
        assert_eq!(debug_forms(good, &mut 0), [0; 0], "{good}");
    }
}

/// The lines of `text` with a log macro that uses a Debug form. Adds the number of all log macros to `lines`.
fn debug_forms(text: &str, lines: &mut usize) -> Vec<usize> {
    let mut found = Vec::new();
    walk(TokenStream::from_str(text).expect("valid Rust"), lines, &mut found);
    found
}

fn walk(tokens: TokenStream, lines: &mut usize, found: &mut Vec<usize>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        if is_log_macro(&tokens[..at]) {
            *lines += 1;
            if has_debug_form(group.stream()) {
                found.push(group.span_open().start().line);
            }
        }
        walk(group.stream(), lines, found);
    }
}

/// Whether the tokens before a group end in `tracing::warn!` or another log macro.
fn is_log_macro(before: &[TokenTree]) -> bool {
    let [.., krate, colon, other, level, bang] = before else { return false };
    let is = |token: &TokenTree, wanted: &str| token.to_string() == wanted;
    is(krate, "tracing")
        && is(colon, ":")
        && is(other, ":")
        && is(bang, "!")
        && LEVELS.contains(&level.to_string().as_str())
}

fn has_debug_form(arguments: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = arguments.into_iter().collect();
    let names_debug = |token: &TokenTree| token.to_string() == "debug";
    let is_debug_text =
        |token: &TokenTree| matches!(token, TokenTree::Literal(_)) && token.to_string().contains("?}");
    let is_sigil = |at: usize| {
        let begins = at == 0
            || matches!(&tokens[at - 1], TokenTree::Punct(punct) if matches!(punct.as_char(), ',' | '='));
        begins
            && matches!(&tokens[at], TokenTree::Punct(punct) if punct.as_char() == '?' && punct.spacing() == Spacing::Alone)
    };
    (0..tokens.len()).any(|at| is_sigil(at) || names_debug(&tokens[at]) || is_debug_text(&tokens[at]))
}
