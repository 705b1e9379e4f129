-- rebuild_rows.lua: puts some of those who hold a coupon back.
--
-- KEYS    as in coupon.lua
-- ARGV[1] token of this rebuilding
-- ARGV[2 ..] member and "sequence issued_at_ms", in turn; at most 1,000 pairs
--
-- Returns OK.
if redis.call('HGET', meta_key, 'rebuilding') ~= ARGV[1] then
  return { 'FENCED', 'somebody else rebuilds the coupon' }
end
redis.call('HSET', participants_key, unpack(ARGV, 2))
return { 'OK' }
