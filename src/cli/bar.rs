//! The progress bar of a comparison, on standard error if that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::actors::reconcile::Watch;
use crate::domain::{CouponId, Sequence};

/// Coupons with fewer sequences get no bar, because comparing them takes less than a second.
const MIN_SEQUENCES: Sequence = 50_000;

/// One bar, reused for each coupon.
pub(super) struct CompareBar(ProgressBar);

impl CompareBar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed:>4} {bar:24} {percent:>3}%  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// Removes the bar, so that the report begins on a clean line.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Watch for CompareBar {
    fn compared(&mut self, coupon: &CouponId, done: Sequence, all: Sequence) {
        if all >= MIN_SEQUENCES {
            self.0.set_length(u64::from(all));
            self.0.set_position(u64::from(done));
            self.0.set_message(coupon.to_string());
        }
    }
}
