//! Arrival rates over time: the moment at which each member means to ask.

use std::time::Duration;

/// A rate that holds for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// Members a second.
    pub per_second: f64,
    /// For how long.
    pub lasts: Duration,
}

/// Stages one after the other. Within each, members come at equal distances.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// Each stage with when it begins and how many members came before it.
    stages: Vec<(Duration, u64, Stage)>,
}

impl Schedule {
    /// The stages in their order. One without members is a pause.
    #[must_use]
    pub fn new(stages: impl IntoIterator<Item = Stage>) -> Self {
        let (mut begins, mut before) = (Duration::ZERO, 0);
        let mut placed = Vec::new();
        for stage in stages {
            placed.push((begins, before, stage));
            begins += stage.lasts;
            before += stage.members();
        }
        Self { stages: placed }
    }

    /// When member number `number` means to ask, from the beginning; `None` if fewer come.
    #[must_use]
    pub fn moment(&self, number: u64) -> Option<Duration> {
        let at = self.stages.partition_point(|(_, before, _)| *before <= number);
        // Of stages with the same count before them, all but the last are pauses.
        let (begins, before, stage) = self.stages.get(at.checked_sub(1)?)?;
        let within = number - before;
        (within < stage.members())
            .then(|| *begins + Duration::from_secs_f64(within as f64 / stage.per_second))
    }

    /// How long all stages last.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.stages.iter().map(|(_, _, stage)| stage.lasts).sum()
    }

    /// How many members come.
    #[must_use]
    pub fn members(&self) -> u64 {
        self.stages.iter().map(|(_, _, stage)| stage.members()).sum()
    }
}

impl Stage {
    fn members(&self) -> u64 {
        // Not one that a rounding error would add.
        (self.per_second * self.lasts.as_secs_f64() - 1e-6).ceil().max(0.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(per_second: f64, seconds: u64) -> Stage {
        Stage { per_second, lasts: Duration::from_secs(seconds) }
    }

    fn moments_ms(schedule: &Schedule) -> Vec<u128> {
        (0..).map_while(|number| Some(schedule.moment(number)?.as_millis())).collect()
    }

    #[test]
    fn a_constant_rate_puts_members_at_equal_distances() {
        let schedule = Schedule::new([stage(4.0, 2)]);
        assert_eq!(moments_ms(&schedule), [0, 250, 500, 750, 1_000, 1_250, 1_500, 1_750]);
        assert_eq!((schedule.members(), schedule.lasts()), (8, Duration::from_secs(2)));
    }

    #[test]
    fn a_step_begins_when_the_one_before_it_ends() {
        let schedule = Schedule::new([stage(2.0, 1), stage(4.0, 1), stage(0.0, 3), stage(1.0, 2)]);
        assert_eq!(moments_ms(&schedule), [0, 500, 1_000, 1_250, 1_500, 1_750, 5_000, 6_000]);
        assert_eq!((schedule.members(), schedule.lasts()), (8, Duration::from_secs(7)));
    }

    #[test]
    fn rates_that_do_not_divide_evenly_lose_and_add_nobody() {
        for (rate, seconds, members) in
            [(1_000.0, 10, 10_000), (3.0, 7, 21), (0.1, 25, 3), (12_345.6, 2, 24_692)]
        {
            let schedule = Schedule::new([stage(rate, seconds)]);
            assert_eq!(schedule.members(), members);
            assert!(schedule.moment(members).is_none());
            assert!(schedule.moment(members - 1).unwrap() < schedule.lasts());
        }
    }

    #[test]
    fn nobody_comes_without_stages() {
        assert_eq!((Schedule::new([]).moment(0), Schedule::new([stage(0.0, 5)]).moment(0)), (None, None));
    }
}
