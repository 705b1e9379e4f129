//! Decides for a batch: one statement reads the coupon's counter and the members' earlier issuances, one issues.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

use crate::domain::{
    AdmissionRequest, CodeSalt, CouponId, Decision, Grant, Inventory, Lifecycle, MemberId, SalePeriod,
    Sequence, Standing, decide,
};
use crate::persistence::postgres::rows;

/// One statement sees one moment: counter, rows and holders belong together. `now` is the time of the server, but never
/// before the last issuance. The largest sequence costs one step along the index, and shows whether rows were inserted
/// or deleted outside the engine.
const READ: &str = "SELECT a.total, a.issued, a.opens_at, a.closes_at, a.lifecycle, a.version, c.salt,
        GREATEST((SELECT date_trunc('milliseconds', clock_timestamp())), a.latest_at) AS now,
        (SELECT max(sequence) FROM coupon_issuances WHERE coupon_id = $1) AS highest,
        held.member_id, held.sequence, held.issued_at
    FROM coupon_admissions AS a
    JOIN coupons AS c ON c.id = a.coupon_id
    LEFT JOIN coupon_issuances AS held ON held.coupon_id = a.coupon_id AND held.member_id = ANY($2)
    WHERE a.coupon_id = $1";

/// Counter and rows change together or not at all: nothing is inserted if the counter has changed since it was read.
const ISSUE: &str = "WITH counter AS (
        UPDATE coupon_admissions SET issued = $3, latest_at = $4, version = version + 1
        WHERE coupon_id = $1 AND version = $2
        RETURNING coupon_id
    )
    INSERT INTO coupon_issuances (coupon_id, sequence, member_id, code, status, issued_at)
    SELECT counter.coupon_id, won.sequence, won.member_id, won.code, 'UNUSED', $4
    FROM counter, UNNEST($5::int[], $6::text[], $7::text[]) AS won (sequence, member_id, code)";

/// A coupon as one statement read it, by the clock of the server.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) standing: Standing,
    /// Earlier issuances of the batch's members.
    held: HashMap<MemberId, Grant>,
    version: i64,
    salt: CodeSalt,
}

pub(super) enum Admitted {
    /// New issuances are written.
    Decided(Decision),
    /// The counter changed between reading and writing; nothing is written.
    CounterChanged,
    UnknownCoupon,
}

/// Decides for a batch and writes its new issuances, if any.
pub(super) async fn admit(
    connection: &mut PgConnection,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> sqlx::Result<Admitted> {
    let Some(mut counter) = read(connection, coupon, batch).await? else {
        return Ok(Admitted::UnknownCoupon);
    };
    let decision = decide(counter.standing, counter.standing.now, std::mem::take(&mut counter.held), batch);
    if decision.winners.is_empty() || issue(connection, coupon, &counter, &decision).await? {
        return Ok(Admitted::Decided(decision));
    }
    Ok(Admitted::CounterChanged)
}

/// Reads the counter of `coupon` and the earlier issuances of `batch`; `None` if there is no such coupon.
pub(super) async fn read(
    connection: &mut PgConnection,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> sqlx::Result<Option<Counter>> {
    let members: Vec<&str> = batch.iter().map(|request| request.member.as_str()).collect();
    let rows = sqlx::query(READ).bind(coupon.as_str()).bind(members).fetch_all(connection).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let mut counter = from_row(first)?;
    for row in &rows {
        if let Some(member) = row.try_get::<Option<&str>, _>("member_id")? {
            let member = MemberId::parse(member).map_err(|_| rows::corrupt("member_id"))?;
            counter.held.insert(member, rows::grant(row)?);
        }
    }
    Ok(Some(counter))
}

fn from_row(row: &PgRow) -> sqlx::Result<Counter> {
    let total = rows::sequence(Some(row.try_get("total")?))?;
    let issued = rows::sequence(Some(row.try_get("issued")?))?;
    let highest = rows::sequence(row.try_get("highest")?)?;
    if highest != issued {
        let reason = format!("the counter says {issued} issued, but the highest sequence is {highest}");
        return Err(sqlx::Error::Decode(reason.into()));
    }
    let closes_at: Option<OffsetDateTime> = row.try_get("closes_at")?;
    let closes_at = closes_at.map(rows::timestamp).transpose()?;
    let opens_at = rows::timestamp(row.try_get("opens_at")?)?;
    let salt: [u8; 32] = row.try_get::<&[u8], _>("salt")?.try_into().map_err(|_| rows::corrupt("salt"))?;
    let standing = Standing {
        inventory: Inventory::with_issued(total, issued).map_err(|_| rows::corrupt("total"))?,
        window: SalePeriod::new(opens_at, closes_at).map_err(|_| rows::corrupt("closes_at"))?,
        lifecycle: Lifecycle::parse(row.try_get("lifecycle")?).ok_or_else(|| rows::corrupt("lifecycle"))?,
        now: rows::timestamp(row.try_get("now")?)?,
    };
    let salt = CodeSalt::from_bytes(salt);
    Ok(Counter { standing, held: HashMap::new(), version: row.try_get("version")?, salt })
}

/// Writes a decision with at least one new issuance. Gives false, and writes nothing, if the counter has changed.
async fn issue(
    connection: &mut PgConnection,
    coupon: &CouponId,
    counter: &Counter,
    decision: &Decision,
) -> sqlx::Result<bool> {
    let integer = |sequence: Sequence| rows::integer(sequence).ok_or_else(|| rows::corrupt("sequence"));
    let (mut sequences, mut members, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    for (member, grant) in &decision.winners {
        sequences.push(integer(grant.sequence)?);
        members.push(member.as_str());
        codes.push(counter.salt.code(coupon, member).to_string());
    }
    let done = sqlx::query(ISSUE)
        .bind(coupon.as_str())
        .bind(counter.version)
        .bind(integer(decision.standing.inventory.issued())?)
        .bind(rows::moment(decision.standing.now))
        .bind(sequences)
        .bind(members)
        .bind(codes)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == decision.winners.len() as u64)
}
