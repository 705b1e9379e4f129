//! How far a comparison is, as a bar on standard error; nothing where that is no terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::actors::reconcile::Watch;
use crate::domain::{CouponId, Sequence};

/// Sequences below which a coupon is compared before anybody could look.
const WORTH_SHOWING: Sequence = 50_000;

/// One bar, for one coupon after the other.
pub(super) struct CompareBar(ProgressBar);

impl CompareBar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed:>4} {bar:24} {percent:>3}%  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// Takes the bar away, so that what follows begins on a clean line.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Watch for CompareBar {
    fn compared(&mut self, coupon: &CouponId, done: Sequence, all: Sequence) {
        if all >= WORTH_SHOWING {
            self.0.set_length(u64::from(all));
            self.0.set_position(u64::from(done));
            self.0.set_message(coupon.to_string());
        }
    }
}
