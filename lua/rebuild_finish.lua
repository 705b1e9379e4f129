-- rebuild_finish.lua: begins a new epoch of the coupon with the restored holders. The epoch is above every earlier one,
-- so a node that only knows earlier epochs can neither decide nor trim.
--
-- KEYS    as in coupon.lua
-- ARGV[1] token of this rebuild
-- ARGV[2] issued: number of restored holders; their sequences are 1 to issued
-- ARGV[3] the newest epoch known
-- ARGV[4] total
-- ARGV[5] opens_at_ms
-- ARGV[6] closes_at_ms, '' if none
-- ARGV[7] lifecycle
-- ARGV[8] issued_at_ms of the highest restored sequence, 0 if there is none
--
-- Returns OK and the coupon.
local issued, total = tonumber(ARGV[2]), tonumber(ARGV[4])
if redis.call('HGET', meta_key, 'rebuilding') ~= ARGV[1] then
  return { 'FENCED', 'this rebuild of the coupon is no longer the current one' }
end
if redis.call('HLEN', participants_key) ~= issued then
  return { 'FENCED', 'the database changed while the coupon was rebuilt from it' }
end
if total < issued then
  return { 'FENCED', issued .. ' are issued, but the total is only ' .. total }
end
-- An impossible time is dropped: read_consistent would call the coupon corrupt because of it.
local latest = is_issued_at(ARGV[8]) and ARGV[8] or '0'

local epoch = now_digits()
if tonumber(epoch) <= tonumber(ARGV[3]) then
  epoch = string.format('%.0f', tonumber(ARGV[3]) + 1)
end
if issued > 0 then
  -- Leaves an empty outbox whose next id must be above the last sequence.
  redis.call('XADD', outbox_key, epoch .. '-' .. issued, 'rebuilt', issued)
  redis.call('XTRIM', outbox_key, 'MAXLEN', '=', 0)
end
redis.call('SET', stock_key, total - issued)
redis.call('HSET', meta_key, 'total', ARGV[4], 'opens_at_ms', ARGV[5], 'closes_at_ms', ARGV[6],
  'lifecycle', ARGV[7], 'epoch', epoch, 'run_id', own_run_id(), 'latest_ms', latest)
redis.call('HDEL', meta_key, 'rebuilding')
local coupon, refusal = read_consistent()
return refusal or ok(coupon)
