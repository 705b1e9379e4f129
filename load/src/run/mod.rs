//! A load on a service that is there already: a scenario, a plan that follows from it, and a verdict against what the
//! service counts and what the database holds.

mod config;
mod prepare;
pub(crate) mod report;
mod truth;

pub use self::config::{RunConfig, RunError, Scenario};
pub use self::report::{Model, RunReport, write_text};
pub use self::truth::{Truth, judge};

use crate::admin_client::AdminClient;
use crate::drive::{self, Remember, Standing};
use crate::issued_answers::IssuedAnswer;
use crate::report::Verdict;
use crate::rows::Rows;

/// Puts the load on until it is over or `stop` resolves, and judges what members were told.
///
/// # Errors
/// [`RunError`] says what to do.
pub async fn run(
    config: &RunConfig,
    watch: impl Fn(Standing),
    stop: impl Future<Output = ()>,
) -> Result<RunReport, RunError> {
    config.check()?;
    // Looked for ahead: a database that is not there should not cost a whole load.
    let rows = match &config.database_url {
        Some(url) => Some(Rows::connect(url).await?),
        None => None,
    };
    let mut admin = AdminClient::new(config.target.clone(), config.admin_token.clone());
    let coupons = prepare::coupons(config, &mut admin).await?;
    let plan = config.plan(coupons.clone());
    let (tally, readers) = drive::run(plan, Remember::default, watch, stop).await?;
    let (mut told, mut unexpected_examples) = (vec![Vec::<IssuedAnswer>::new(); coupons.len()], Vec::new());
    for reader in readers {
        for (mine, theirs) in told.iter_mut().zip(reader.issued_answers) {
            mine.extend(theirs);
        }
        unexpected_examples.extend(reader.unexpected_examples);
    }
    let (mut truths, mut violations) = (Vec::new(), Vec::new());
    for (coupon, told) in coupons.iter().zip(&told) {
        let truth = Truth::find(config, &mut admin, rows.as_ref(), coupon, told, tally.all.unknown).await?;
        violations.extend(judge(&truth, told));
        truths.push(truth.without_rows());
    }
    if tally.all.unexpected > 0 {
        let examples = unexpected_examples.join("; ");
        violations.push(format!("{} unexpected answers, such as: {examples}", tally.all.unexpected));
    }
    let verdict = Verdict::from_violations(violations);
    Ok(RunReport::new(config, &tally, truths, unexpected_examples, verdict))
}
