//! A planted bug (`stock-back-on-timeout`): undoes a batch after a timeout, although Redis may have decided it.

use redis::{Value, cmd};

use super::engine::Shared;
use super::keys;
use crate::domain::{AdmissionRequest, CouponId};

/// Undoes the issuance of each member, the last one first, in the keys of `lua/coupon.lua`. Stock, participants and
/// outbox change together, so Redis itself stays consistent.
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

/// Undoes the batch and ignores the result. EVAL sends the whole script: after a timeout no NOSCRIPT would arrive
/// either.
pub(super) async fn stock_back(shared: &Shared, coupon: &CouponId, batch: &[AdmissionRequest]) {
    let members: Vec<&str> = batch.iter().map(|request| request.member.as_str()).collect();
    let keys = keys::of_coupon(coupon);
    let _ignored = shared
        .connection
        .query::<Value>(cmd("EVAL").arg(SCRIPT).arg(keys.len()).arg(&keys).arg(members))
        .await;
}
