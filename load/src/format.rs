//! Formats numbers for people.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A duration in the unit that needs the fewest digits: `850 µs`, `12.3 ms`, `4.2 s`, `2 min 5 s`.
pub fn human(duration: Duration) -> String {
    let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", short(us as f64 / 1e3)),
        1_000_000..60_000_000 => format!("{} s", short(us as f64 / 1e6)),
        _ => {
            let seconds = us / 1_000_000;
            format!("{} min {} s", seconds / 60, seconds % 60)
        }
    }
}

/// Three significant digits at most, without a trailing `.0`.
fn short(value: f64) -> String {
    let decimals = if value >= 99.95 { 0 } else { 1 };
    let text = format!("{value:.decimals$}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_from_the_right() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (100_000, "100,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn a_duration_takes_the_unit_with_the_fewest_digits() {
        for (us, text) in [
            (0, "0 µs"),
            (850, "850 µs"),
            (1_000, "1 ms"),
            (12_340, "12.3 ms"),
            (500_000, "500 ms"),
            (4_210_000, "4.2 s"),
            (125_000_000, "2 min 5 s"),
        ] {
            assert_eq!(human(Duration::from_micros(us)), text);
        }
    }
}
