//! Measures the same path by wrk, to show the cost of this load generator in comparison.

use std::process::Command;

use super::config::BenchConfig;
use super::{BenchError, bench_error};
use crate::chaos::command::output;
use crate::target::Target;

/// wrk sends the same bytes in every request.
const SCRIPT: &str = r#"wrk.method = "POST"
wrk.body = '{"member_id":"member-1234567"}'
wrk.headers["content-type"] = "application/json"
"#;

/// Returns answers per second.
pub(super) async fn measure(config: &BenchConfig, target: &Target, coupon: &str) -> Result<f64, BenchError> {
    let script = tempfile::NamedTempFile::new().map_err(bench_error)?;
    std::fs::write(script.path(), SCRIPT).map_err(bench_error)?;
    let mut command = Command::new("wrk");
    let seconds = config.duration.as_secs().max(1);
    command
        .args(["-t", &config.threads.to_string(), "-c", &config.connections.to_string()])
        .args(["-d", &format!("{seconds}s"), "-s"])
        .arg(script.path())
        .arg(format!("{target}/v1/coupons/{coupon}/issuances"));
    let printed = output(command).await?;
    per_second(&printed).ok_or_else(|| BenchError(format!("wrk printed no rate: {printed}")))
}

fn per_second(printed: &str) -> Option<f64> {
    printed.lines().find_map(|line| line.strip_prefix("Requests/sec:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rate_is_read_from_what_wrk_prints() {
        let printed =
            "  64 connections\n  Non-2xx or 3xx responses: 9\nRequests/sec:  81234.56\nTransfer/sec: 1MB\n";
        assert_eq!(super::per_second(printed), Some(81_234.56));
        assert_eq!(super::per_second("unable to connect"), None);
    }
}
