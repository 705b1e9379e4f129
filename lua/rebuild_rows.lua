-- rebuild_rows.lua: restores one page of holders. Pages come in the order of sequences, so that the number of holders
-- says where a rebuild stopped. A repeated call changes nothing.
--
-- KEYS    as in coupon.lua
-- ARGV[1] token of this rebuild
-- ARGV[2] after: number of holders before this page
-- ARGV[3 ..] member and "sequence issued_at_ms", in turn
--
-- Returns OK.
local token, after, last = ARGV[1], tonumber(ARGV[2]), #ARGV

if redis.call('HGET', meta_key, 'rebuilding') ~= token then
  return { 'FENCED', 'this rebuild of the coupon is no longer the current one' }
end
local restored = redis.call('HLEN', participants_key)
local is_repeated = restored == after + (last - 2) / 2
if is_repeated and redis.call('HGET', participants_key, ARGV[last - 1]) == ARGV[last] then
  return { 'OK' }
end
if restored ~= after then
  return { 'FENCED', 'Redis holds ' .. restored .. ' restored holders, which are not the first of the database' }
end
-- Lua's unpack() takes no more than about 8,000 values.
for first = 3, last, 7000 do
  redis.call('HSET', participants_key, unpack(ARGV, first, math.min(first + 6999, last)))
end
return { 'OK' }
