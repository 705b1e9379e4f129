-- lock_take.lua: takes the lock of a coupon if it is free. coupon.lua is not prepended.
--
-- KEYS[1] coupon:{ID}:lock  token of the lock holder; expires with the lease
-- KEYS[2] coupon:{ID}:turn  counts how often the lock has been taken: the fencing token
-- ARGV[1] token, unique to the caller
-- ARGV[2] lease_ms
--
-- Returns the fencing token, or 0 if another caller holds the lock. A holder that repeats the call gets the same token.
local lock_key, turn_key = KEYS[1], KEYS[2]
local token, lease_ms = ARGV[1], ARGV[2]

if redis.call('SET', lock_key, token, 'NX', 'PX', lease_ms) then
  return redis.call('INCR', turn_key)
end
if redis.call('GET', lock_key) == token then
  return tonumber(redis.call('GET', turn_key))
end
return 0
