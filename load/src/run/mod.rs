//! A load on a running service: a scenario, the plan that follows from it, and a verdict against the
//! service's counts and the rows of the database.

mod audit;
mod config;
mod prepare;
pub(crate) mod report;

pub use self::audit::{CouponAudit, find_contradictions};
pub use self::config::{RunConfig, RunError, Scenario};
pub use self::report::{Model, RunReport, write_text};

use crate::admin_client::AdminClient;
use crate::drive::{self, FullReader, LoadProgress};
use crate::issued_answers::IssuedAnswer;
use crate::report::Verdict;
use crate::rows::IssuanceTable;

/// Generates the load until it is over or `stop` resolves, and judges the answers.
pub async fn run(
    config: &RunConfig,
    watch: impl Fn(LoadProgress),
    stop: impl Future<Output = ()>,
) -> Result<RunReport, RunError> {
    config.validate()?;
    // Connects first: a database that is down must not cost a whole load.
    let rows = match &config.database_url {
        Some(url) => Some(IssuanceTable::connect(url).await?),
        None => None,
    };
    let mut admin = AdminClient::new(config.target.clone(), config.admin_token.clone());
    let coupons = prepare::prepare_coupons(config, &mut admin).await?;
    let plan = config.plan(coupons.clone());
    let (tally, readers) = drive::run(plan, FullReader::default, watch, stop).await?;
    let mut answers = vec![Vec::<IssuedAnswer>::new(); coupons.len()];
    let mut unexpected_examples = Vec::new();
    for reader in readers {
        for (all, of_thread) in answers.iter_mut().zip(reader.issued_answers) {
            all.extend(of_thread);
        }
        unexpected_examples.extend(reader.unexpected_examples);
    }
    let mut audits = Vec::new();
    let mut violations = Vec::new();
    for (coupon, answers) in coupons.iter().zip(&answers) {
        let audit =
            CouponAudit::collect(config, &mut admin, rows.as_ref(), coupon, answers, tally.all.unknown)
                .await?;
        violations.extend(find_contradictions(&audit, answers));
        audits.push(audit.without_rows());
    }
    if tally.all.unexpected > 0 {
        let examples = unexpected_examples.join("; ");
        violations.push(format!("{} unexpected answers, such as: {examples}", tally.all.unexpected));
    }
    let verdict = Verdict::from_violations(violations);
    Ok(RunReport::new(config, &tally, audits, unexpected_examples, verdict))
}
