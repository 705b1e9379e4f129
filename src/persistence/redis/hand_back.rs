//! A planted bug (`stock-back-on-timeout`): takes back what may have been decided, because nobody said that it was.

use redis::Script;

use super::engine::Shared;
use super::scripts::on;
use crate::domain::CouponId;
use crate::ports::AdmissionRequest;

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

/// Hands back what the batch may have been given. Whether that works is not looked at, as such a bug would not.
pub(super) async fn hand_back(shared: &Shared, coupon: &CouponId, batch: &[AdmissionRequest]) {
    let script = Script::new(SCRIPT);
    let mut run = on(&script, coupon);
    for request in batch {
        run.arg(request.member.as_str());
    }
    let _unseen = shared.connection.invoke(&run).await;
}
