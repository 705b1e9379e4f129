-- rebuild_rows.lua: restores one page of holders.
--
-- KEYS    as in coupon.lua
-- ARGV[1] token of this rebuild
-- ARGV[2 ..] member and "sequence issued_at_ms", in turn; at most 1,000 pairs
--
-- Returns OK.
if redis.call('HGET', meta_key, 'rebuilding') ~= ARGV[1] then
  return { 'FENCED', 'this rebuild of the coupon is no longer the current one' }
end
redis.call('HSET', participants_key, unpack(ARGV, 2))
return { 'OK' }
