//! A planted bug (`stock-back-on-timeout`): takes back what may have been decided, because nobody said that it was.

use redis::{Value, cmd};

use super::engine::Shared;
use super::keys;
use crate::domain::{AdmissionRequest, CouponId};

/// Undoes each member's coupon, the last one first, in the keys of `lua/coupon.lua`. It is as careful as such a bug can
/// be: stock, member and outbox go back together.
const SCRIPT: &str = "
    local epoch = redis.call('HGET', KEYS[1], 'epoch')
    for i = #ARGV, 1, -1 do
        local holding = redis.call('HGET', KEYS[3], ARGV[i])
        if holding then
            redis.call('HDEL', KEYS[3], ARGV[i])
            redis.call('INCR', KEYS[2])
            redis.call('XDEL', KEYS[4], epoch .. '-' .. string.match(holding, '^%d+'))
        end
    end
    local issued = redis.call('HGET', KEYS[1], 'total') - redis.call('GET', KEYS[2])
    redis.pcall('XSETID', KEYS[4], epoch .. '-' .. issued)
    return 'OK'";

/// Hands back what the batch may have been given. Whether that works is not looked at, as such a bug would not. The text
/// of the script goes along: whoever hears no reply would not hear that it is unknown either.
pub(super) async fn stock_back(shared: &Shared, coupon: &CouponId, batch: &[AdmissionRequest]) {
    let members: Vec<&str> = batch.iter().map(|request| request.member.as_str()).collect();
    let keys = keys::of_coupon(coupon);
    let _unseen = shared
        .connection
        .query::<Value>(cmd("EVAL").arg(SCRIPT).arg(keys.len()).arg(&keys).arg(members))
        .await;
}
