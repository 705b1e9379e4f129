//! Tests of the page: it needs no other resource, it is complete, and no text in it can be markup.

use super::*;
use crate::drive::Counts;
use crate::run::{CouponAudit, Model, Scenario};

fn report() -> RunReport {
    let mut report = RunReport::empty(Scenario::Sustained, Model::Closed);
    report.target = "http://127.0.0.1:1".to_owned();
    report.connections = 64;
    report.counts = Counts { issued: 1_234, unknown: 5, ..Counts::default() };
    report.curve_ms = vec![(0.0, 0.2), (50.0, 1.0), (90.0, 2.0), (99.0, 9.0)];
    report.slice_ms = 100;
    report.slices =
        vec![Slice { answered: 100, issued: 90, errors: 0 }, Slice { answered: 50, issued: 0, errors: 5 }];
    report.audits =
        vec![CouponAudit { coupon_id: "spring".to_owned(), total: 9, issued: 7, ..CouponAudit::default() }];
    report
}

#[test]
fn the_page_is_complete_and_needs_no_other_resource() {
    let page = render(&report());
    for words in [
        "sustained, closed loop on 64 connections",
        "The promise held.",
        "1,234",
        "Latency by percentile",
        "Throughput over time",
        "Errors over time",
        "<td>spring</td>",
        "<polyline",
        ">99</text>",
    ] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
    for fetching in ["<script", "<link", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(fetching), "{fetching} is in the page");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}

#[test]
fn text_of_a_server_is_never_markup() {
    let mut report = report();
    report.verdict = Verdict::Broken(vec!["500: <img onerror=x>".to_owned()]);
    report.target = "http://<b>".to_owned();
    report.audits[0].coupon_id = "<i>".to_owned();
    let page = render(&report);
    assert!(page.contains("500: &lt;img onerror=x&gt;"), "{page}");
    assert!(!page.contains("<img") && !page.contains("<b>") && !page.contains("<i>"), "{page}");
}
