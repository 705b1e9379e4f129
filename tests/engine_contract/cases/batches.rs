//! Order, duplicates and limits within one batch.

use openrun::domain::{MemberId, Rejection, Verdict};
use openrun::ports::MAX_BATCH;

use crate::suite::Fixture;
use crate::support::{
    admit_batch, admit_one, checked_holders, coupon_in, expect_issued, grant_of, member, members,
    open_coupon, open_window, rejected, shuffle,
};

/// Ids with a meaning in SQL, JSON, patterns, keys, paths or Lua, and ids that look alike; one per line.
const HOSTILE: &str = r##"'
"
'; DROP TABLE coupons; --
{
}
{}
{a}
[
]
[1]
%
%s
_
*
?
:
\
\u0041
A
a
null
true
0
00
1
1.0
1e0
-0
nil
é
한글
漢字
🎫
👩🏽
$1
#
/
../..
KEYS[1]"##;

pub(crate) async fn a_batch_is_served_in_its_order(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 500);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let mut ids = members(0..200);
    shuffle(&mut ids);
    for (first, batch) in ids.chunks(50).enumerate().map(|(n, batch)| (n * 50 + 1, batch)) {
        let answer = admit_batch(&*engine, &coupon.id, batch).await;
        for (index, verdict) in answer.verdicts.iter().enumerate() {
            assert_eq!(expect_issued(*verdict).sequence as usize, first + index);
        }
        assert_eq!(
            answer.standing.inventory.issued() as usize,
            first + 49,
            "the standing is the one after the step"
        );
    }
}

pub(crate) async fn a_member_twice_in_a_batch_gets_one_coupon(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 3);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let (kim, lee) = (member("kim"), member("lee"));
    let batch = [kim.clone(), lee.clone(), kim.clone(), kim.clone(), lee];
    let verdicts = admit_batch(&*engine, &coupon.id, &batch).await.verdicts;
    let (first, second) = (expect_issued(verdicts[0]), expect_issued(verdicts[1]));
    assert_eq!(verdicts[2..], [first, first, second].map(Verdict::Again));
    checked_holders(&*engine, &coupon.id, 2).await;
}

pub(crate) async fn a_batch_larger_than_the_stock_is_answered_member_by_member(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 4);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let kim = expect_issued(admit_one(&*engine, &coupon.id, &member("kim")).await);
    let batch = ["a", "kim", "b", "a", "c", "d", "e", "kim", "d", "c"].map(member);
    let answer = admit_batch(&*engine, &coupon.id, &batch).await;
    let verdicts = answer.verdicts;
    let (a, b, c) = (expect_issued(verdicts[0]), expect_issued(verdicts[2]), expect_issued(verdicts[4]));
    assert_eq!([a.sequence, b.sequence, c.sequence], [2, 3, 4]);
    let (again, sold_out) = (Verdict::Again, rejected(Rejection::SoldOut));
    assert_eq!([verdicts[1], verdicts[3]], [again(kim), again(a)]);
    assert_eq!(verdicts[5..], [sold_out, sold_out, again(kim), sold_out, again(c)]);
    assert!(answer.standing.inventory.is_sold_out());
    checked_holders(&*engine, &coupon.id, 4).await;
}

pub(crate) async fn an_empty_batch_gives_the_standing(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 4);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    expect_issued(admit_one(&*engine, &coupon.id, &member("kim")).await);
    let answer = admit_batch(&*engine, &coupon.id, &[]).await;
    assert_eq!((answer.standing.inventory.total(), answer.standing.inventory.issued()), (4, 1));
}

pub(crate) async fn the_largest_batch_is_served(fixture: &mut dyn Fixture) {
    let largest = u32::try_from(MAX_BATCH).expect("small");
    let coupon = open_coupon("drop", largest);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    // Ids of the maximal length make the batch the largest in bytes, too.
    let ids: Vec<MemberId> = (0..largest).map(|n| member(&format!("{n:04}{}", "🎫".repeat(124)))).collect();
    let verdicts = admit_batch(&*engine, &coupon.id, &ids).await.verdicts;
    assert!(verdicts.iter().zip(1..).all(|(verdict, place)| expect_issued(*verdict).sequence == place));
    checked_holders(&*engine, &coupon.id, largest).await;
}

pub(crate) async fn hostile_ids_are_ordinary_ids(fixture: &mut dyn Fixture) {
    let mut ids: Vec<MemberId> = HOSTILE.lines().chain(["a ", " a", "e\u{301}"]).map(member).collect();
    ids.push(member(&"🎫".repeat(128)));
    ids.push(member(&"🎟".repeat(128)));
    let count = u32::try_from(ids.len()).expect("few");
    let engine = fixture.engine();
    for name in ["-", "_", "0", "null", "--", &"Z".repeat(64)] {
        let coupon = coupon_in(name, count, open_window());
        fixture.introduce(&coupon).await;
        let first = admit_batch(&*engine, &coupon.id, &ids).await.verdicts;
        let grants: Vec<_> = first.iter().map(|verdict| expect_issued(*verdict)).collect();
        assert_eq!(
            grants.iter().map(|grant| grant.sequence).collect::<Vec<_>>(),
            (1..=count).collect::<Vec<_>>()
        );
        let again = admit_batch(&*engine, &coupon.id, &ids).await.verdicts;
        assert_eq!(again, grants.iter().copied().map(Verdict::Again).collect::<Vec<_>>());
        for (index, (_, (member, grant))) in
            checked_holders(&*engine, &coupon.id, count).await.into_iter().enumerate()
        {
            assert_eq!(
                (&member, Some(grant)),
                (&ids[index], grant_of(first[index])),
                "ids come back as they were"
            );
        }
    }
}
