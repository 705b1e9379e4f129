//! What holds inside one batch.

use openrun::domain::{MemberId, Rejection, Verdict};
use openrun::ports::MAX_BATCH;

use crate::suite::Fixture;
use crate::support::{
    ask, ask_batch, coupon_in, held, issued, member, members, open_coupon, open_window, rejected, shuffle,
    truth,
};

/// Ids that mean something somewhere (SQL, JSON, patterns, keys, paths, Lua) or look like one another; one a line.
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
    let mut who = members(0..200);
    shuffle(&mut who);
    for (first, batch) in who.chunks(50).enumerate().map(|(n, batch)| (n * 50 + 1, batch)) {
        let answer = ask_batch(&*engine, &coupon.id, batch).await;
        for (place, verdict) in answer.verdicts.iter().enumerate() {
            assert_eq!(issued(*verdict).sequence as usize, first + place);
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
    let verdicts = ask_batch(&*engine, &coupon.id, &batch).await.verdicts;
    let (first, second) = (issued(verdicts[0]), issued(verdicts[1]));
    assert_eq!(verdicts[2..], [first, first, second].map(Verdict::Again));
    truth(&*engine, &coupon.id, 2).await;
}

pub(crate) async fn a_batch_across_the_ceiling_is_answered_member_by_member(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 4);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let kim = issued(ask(&*engine, &coupon.id, &member("kim")).await);
    let batch = ["a", "kim", "b", "a", "c", "d", "e", "kim", "d", "c"].map(member);
    let answer = ask_batch(&*engine, &coupon.id, &batch).await;
    let verdicts = answer.verdicts;
    let (a, b, c) = (issued(verdicts[0]), issued(verdicts[2]), issued(verdicts[4]));
    assert_eq!([a.sequence, b.sequence, c.sequence], [2, 3, 4]);
    let (again, sold_out) = (Verdict::Again, rejected(Rejection::SoldOut));
    assert_eq!([verdicts[1], verdicts[3]], [again(kim), again(a)]);
    assert_eq!(verdicts[5..], [sold_out, sold_out, again(kim), sold_out, again(c)]);
    assert!(answer.standing.inventory.is_sold_out());
    truth(&*engine, &coupon.id, 4).await;
}

pub(crate) async fn an_empty_batch_tells_the_standing(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 4);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    issued(ask(&*engine, &coupon.id, &member("kim")).await);
    let answer = ask_batch(&*engine, &coupon.id, &[]).await;
    assert_eq!((answer.standing.inventory.total(), answer.standing.inventory.issued()), (4, 1));
}

pub(crate) async fn the_largest_batch_is_served(fixture: &mut dyn Fixture) {
    let largest = u32::try_from(MAX_BATCH).expect("small");
    let coupon = open_coupon("drop", largest);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    // As long as ids can be, so that the batch is as large as it can be in bytes too.
    let who: Vec<MemberId> = (0..largest).map(|n| member(&format!("{n:04}{}", "🎫".repeat(124)))).collect();
    let verdicts = ask_batch(&*engine, &coupon.id, &who).await.verdicts;
    assert!(verdicts.iter().zip(1..).all(|(verdict, place)| issued(*verdict).sequence == place));
    truth(&*engine, &coupon.id, largest).await;
}

pub(crate) async fn hostile_ids_are_just_ids(fixture: &mut dyn Fixture) {
    let mut who: Vec<MemberId> = HOSTILE.lines().chain(["a ", " a", "e\u{301}"]).map(member).collect();
    who.push(member(&"🎫".repeat(128)));
    who.push(member(&"🎟".repeat(128)));
    let count = u32::try_from(who.len()).expect("few");
    let engine = fixture.engine();
    for name in ["-", "_", "0", "null", "--", &"Z".repeat(64)] {
        let coupon = coupon_in(name, count, open_window());
        fixture.introduce(&coupon).await;
        let first = ask_batch(&*engine, &coupon.id, &who).await.verdicts;
        let grants: Vec<_> = first.iter().map(|verdict| issued(*verdict)).collect();
        assert_eq!(
            grants.iter().map(|grant| grant.sequence).collect::<Vec<_>>(),
            (1..=count).collect::<Vec<_>>()
        );
        let again = ask_batch(&*engine, &coupon.id, &who).await.verdicts;
        assert_eq!(again, grants.iter().copied().map(Verdict::Again).collect::<Vec<_>>());
        for (place, (_, (member, grant))) in truth(&*engine, &coupon.id, count).await.into_iter().enumerate()
        {
            assert_eq!(
                (&member, Some(grant)),
                (&who[place], held(first[place])),
                "ids come back as they were"
            );
        }
    }
}
