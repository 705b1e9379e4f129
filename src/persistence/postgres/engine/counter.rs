//! A coupon's counter and what members of a batch hold, read in one statement, and the one statement that issues.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

use crate::domain::Decision;
use crate::domain::{
    AdmissionRequest, CodeSalt, CouponId, Grant, Inventory, Lifecycle, MemberId, SalePeriod, Sequence,
    Standing,
};
use crate::persistence::postgres::rows;

/// One statement sees one moment: counter, rows and holders belong together. The time is this server's, but never before
/// that of the last issuance. The largest sequence is one step along the index, and shows whether somebody else has
/// written or deleted rows.
const READ: &str = "SELECT a.total, a.issued, a.opens_at, a.closes_at, a.lifecycle, a.version, c.salt,
        GREATEST((SELECT date_trunc('milliseconds', clock_timestamp())), a.latest_at) AS now,
        (SELECT max(sequence) FROM coupon_issuances WHERE coupon_id = $1) AS highest,
        held.member_id, held.sequence, held.issued_at
    FROM coupon_admissions AS a
    JOIN coupons AS c ON c.id = a.coupon_id
    LEFT JOIN coupon_issuances AS held ON held.coupon_id = a.coupon_id AND held.member_id = ANY($2)
    WHERE a.coupon_id = $1";

/// Counter and rows change together or not at all: nothing is inserted if the counter is not as it was read.
const ISSUE: &str = "WITH turn AS (
        UPDATE coupon_admissions SET issued = $3, latest_at = $4, version = version + 1
        WHERE coupon_id = $1 AND version = $2
        RETURNING coupon_id
    )
    INSERT INTO coupon_issuances (coupon_id, sequence, member_id, code, status, issued_at)
    SELECT turn.coupon_id, won.sequence, won.member_id, won.code, 'UNUSED', $4
    FROM turn, UNNEST($5::int[], $6::text[], $7::text[]) AS won (sequence, member_id, code)";

/// A coupon as one statement saw it.
#[derive(Debug)]
pub(super) struct Counter {
    /// How it stands by the server's clock.
    pub(super) standing: Standing,
    /// What members of the batch hold.
    pub(super) held: HashMap<MemberId, Grant>,
    /// Which state of the counter it is.
    version: i64,
    /// What codes are made of.
    salt: CodeSalt,
}

/// The counter of `coupon` and what members of `batch` hold; `None` if there is no such coupon.
pub(super) async fn read(
    connection: &mut PgConnection,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> sqlx::Result<Option<Counter>> {
    let members: Vec<&str> = batch.iter().map(|request| request.member.as_str()).collect();
    let found = sqlx::query(READ).bind(coupon.as_str()).bind(members).fetch_all(connection).await?;
    let Some(first) = found.first() else { return Ok(None) };
    let mut counter = of_row(first)?;
    for row in &found {
        if let Some(member) = row.try_get::<Option<&str>, _>("member_id")? {
            let member = MemberId::parse(member).map_err(|_| rows::corrupt("member_id"))?;
            counter.held.insert(member, rows::grant(row)?);
        }
    }
    Ok(Some(counter))
}

fn of_row(row: &PgRow) -> sqlx::Result<Counter> {
    let (total, issued) =
        (rows::sequence(Some(row.try_get("total")?))?, rows::sequence(Some(row.try_get("issued")?))?);
    let highest = rows::sequence(row.try_get("highest")?)?;
    if highest != issued {
        let why = format!("the counter says that {issued} are issued, but the rows go up to {highest}");
        return Err(sqlx::Error::Decode(why.into()));
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

/// What [`issue`] needs of a counter, once the decision has been made from the rest.
#[derive(Debug)]
pub(super) struct Turn {
    coupon: CouponId,
    version: i64,
    salt: CodeSalt,
}

impl Counter {
    /// Takes what is needed to write.
    pub(super) fn turn(&self, coupon: &CouponId) -> Turn {
        Turn { coupon: coupon.clone(), version: self.version, salt: self.salt.clone() }
    }
}

/// Writes what was decided, which is somebody's coupon at least; whether the counter was still as it was read. If not,
/// nothing was written.
pub(super) async fn issue(
    connection: &mut PgConnection,
    turn: &Turn,
    decision: &Decision,
) -> sqlx::Result<bool> {
    let coupon = &turn.coupon;
    let integer = |sequence: Sequence| rows::integer(sequence).ok_or_else(|| rows::corrupt("sequence"));
    let (mut sequences, mut members, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    for (member, grant) in &decision.winners {
        sequences.push(integer(grant.sequence)?);
        members.push(member.as_str());
        codes.push(turn.salt.code(coupon, member).to_string());
    }
    let done = sqlx::query(ISSUE)
        .bind(coupon.as_str())
        .bind(turn.version)
        .bind(integer(decision.standing.inventory.issued())?)
        .bind(rows::moment(decision.standing.now))
        .bind(sequences)
        .bind(members)
        .bind(codes)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == decision.winners.len() as u64)
}
