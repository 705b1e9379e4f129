-- lock_take.lua: takes the lock of a coupon, unless somebody has it. coupon.lua is not put before it.
--
-- KEYS[1] coupon:{ID}:lock  the token of who has the lock, for as long as the lease lasts
-- KEYS[2] coupon:{ID}:turn  how often the lock has been taken: the fencing token
-- ARGV[1] token, which nobody else has
-- ARGV[2] lease_ms
--
-- Returns the number of this turn, or 0 if somebody else has the lock. Asking again while one has it gives the same.
local lock_key, turn_key = KEYS[1], KEYS[2]
local token, lease_ms = ARGV[1], ARGV[2]

if redis.call('SET', lock_key, token, 'NX', 'PX', lease_ms) then
  return redis.call('INCR', turn_key)
end
if redis.call('GET', lock_key) == token then
  return tonumber(redis.call('GET', turn_key))
end
return 0
