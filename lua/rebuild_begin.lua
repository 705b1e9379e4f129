-- rebuild_begin.lua: prepares the coupon to be filled from the database. It stays fenced until the rebuild ends. Holders
-- that an interrupted rebuild of the same round has restored stay; otherwise the coupon is emptied. A rebuild that is
-- still running fails at its next step, because its token is replaced.
--
-- KEYS    as in coupon.lua
-- ARGV[1] token of the suspension, which becomes the token of this rebuild
-- ARGV[2] round of the recovery
-- ARGV[3] '1' to empty the coupon in any case
--
-- Returns OK, then the number of restored holders, or
--   LATE               the coupon has been suspended or released since; nothing was changed
local token, round, from_start = ARGV[1], ARGV[2], ARGV[3] == '1'

local is_hash = redis.call('TYPE', meta_key).ok == 'hash'
local restored = 0
if is_hash then
  local field = redis.call('HMGET', meta_key, 'suspension', 'rebuilding', 'rebuilding_round')
  if field[1] ~= token then
    return { 'LATE' }
  end
  if field[2] and field[3] == round and not from_start and redis.call('TYPE', participants_key).ok == 'hash' then
    restored = redis.call('HLEN', participants_key)
  end
else
  redis.call('UNLINK', meta_key)
end
redis.call('HSET', meta_key, 'rebuilding', token, 'rebuilding_round', round, 'suspension', token)
redis.call('UNLINK', stock_key, outbox_key)
if restored == 0 then
  redis.call('UNLINK', participants_key)
end
return { 'OK', restored }
