//! Arrival rates over time: the moment at which each member is due.

use std::time::Duration;

/// A constant rate for some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    pub per_second: f64,
    pub duration: Duration,
}

/// Stages in sequence. Within each, members come at equal distances.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// Each stage with its beginning and the number of members before it.
    stages: Vec<(Duration, u64, Stage)>,
}

impl Schedule {
    /// A stage without members is a pause.
    #[must_use]
    pub fn new(stages: impl IntoIterator<Item = Stage>) -> Self {
        let mut begins = Duration::ZERO;
        let mut before = 0;
        let mut placed = Vec::new();
        for stage in stages {
            placed.push((begins, before, stage));
            begins += stage.duration;
            before += stage.members();
        }
        Self { stages: placed }
    }

    /// The time at which a member is due, from the beginning; `None` if the schedule has fewer members.
    #[must_use]
    pub fn due_at(&self, number: u64) -> Option<Duration> {
        let at = self.stages.partition_point(|(_, before, _)| *before <= number);
        // Of several stages with the same count before them, all but the last are pauses.
        let (begins, before, stage) = self.stages.get(at.checked_sub(1)?)?;
        let within = number - before;
        (within < stage.members())
            .then(|| *begins + Duration::from_secs_f64(within as f64 / stage.per_second))
    }

    #[must_use]
    pub fn duration(&self) -> Duration {
        self.stages.iter().map(|(_, _, stage)| stage.duration).sum()
    }

    #[must_use]
    pub fn members(&self) -> u64 {
        self.stages.iter().map(|(_, _, stage)| stage.members()).sum()
    }
}

impl Stage {
    fn members(&self) -> u64 {
        // The subtrahend prevents that a rounding error adds a member.
        (self.per_second * self.duration.as_secs_f64() - 1e-6).ceil().max(0.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(per_second: f64, seconds: u64) -> Stage {
        Stage { per_second, duration: Duration::from_secs(seconds) }
    }

    fn moments_ms(schedule: &Schedule) -> Vec<u128> {
        (0..).map_while(|number| Some(schedule.due_at(number)?.as_millis())).collect()
    }

    #[test]
    fn a_constant_rate_puts_members_at_equal_distances() {
        let schedule = Schedule::new([stage(4.0, 2)]);
        assert_eq!(moments_ms(&schedule), [0, 250, 500, 750, 1_000, 1_250, 1_500, 1_750]);
        assert_eq!((schedule.members(), schedule.duration()), (8, Duration::from_secs(2)));
    }

    #[test]
    fn a_stage_begins_when_the_one_before_it_ends() {
        let schedule = Schedule::new([stage(2.0, 1), stage(4.0, 1), stage(0.0, 3), stage(1.0, 2)]);
        assert_eq!(moments_ms(&schedule), [0, 500, 1_000, 1_250, 1_500, 1_750, 5_000, 6_000]);
        assert_eq!((schedule.members(), schedule.duration()), (8, Duration::from_secs(7)));
    }

    #[test]
    fn uneven_rates_neither_lose_nor_add_members() {
        for (rate, seconds, members) in
            [(1_000.0, 10, 10_000), (3.0, 7, 21), (0.1, 25, 3), (12_345.6, 2, 24_692)]
        {
            let schedule = Schedule::new([stage(rate, seconds)]);
            assert_eq!(schedule.members(), members);
            assert!(schedule.due_at(members).is_none());
            assert!(schedule.due_at(members - 1).unwrap() < schedule.duration());
        }
    }

    #[test]
    fn a_schedule_without_stages_has_no_members() {
        assert_eq!((Schedule::new([]).due_at(0), Schedule::new([stage(0.0, 5)]).due_at(0)), (None, None));
    }
}
