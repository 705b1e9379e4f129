-- admit.lua: one member, one coupon, and nothing that would survive a fault.
--
-- KEYS[1] bare:{ID}:stock          how many are left
-- KEYS[2] bare:{ID}:participants   hash: member to sequence
-- ARGV[1] the member
--
-- Returns {sequence, 1} if it was issued now, {sequence, 0} if it was held already, {0, 0} if there is none left.
local held = redis.call('HGET', KEYS[2], ARGV[1])
if held then
  return { tonumber(held), 0 }
end
if tonumber(redis.call('GET', KEYS[1]) or '0') <= 0 then
  return { 0, 0 }
end
redis.call('DECR', KEYS[1])
local sequence = redis.call('HLEN', KEYS[2]) + 1
redis.call('HSET', KEYS[2], ARGV[1], sequence)
return { sequence, 1 }
