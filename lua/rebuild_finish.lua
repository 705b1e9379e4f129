-- rebuild_finish.lua: begins a new life of the coupon, with those who have been put back. Its epoch is above every
-- earlier one, so that nobody who knows only those can decide or trim here.
--
-- KEYS    as in coupon.lua
-- ARGV[1] token of this rebuilding
-- ARGV[2] issued: how many have been put back, whose sequences are 1 to that
-- ARGV[3] the newest epoch known
-- ARGV[4] total
-- ARGV[5] opens_at_ms
-- ARGV[6] closes_at_ms, '' if none
-- ARGV[7] lifecycle
-- ARGV[8] issued_at_ms of the last of those who have been put back, 0 if there is none
--
-- Returns OK and the coupon.
local issued, total = tonumber(ARGV[2]), tonumber(ARGV[4])
if redis.call('HGET', meta_key, 'rebuilding') ~= ARGV[1] then
  return { 'FENCED', 'somebody else rebuilds the coupon' }
end
if redis.call('HLEN', participants_key) ~= issued then
  return { 'FENCED', 'the database changed while the coupon was rebuilt from it' }
end
if total < issued then
  return { 'FENCED', issued .. ' are issued, but the total is only ' .. total }
end
-- One that no clock can have given would keep the coupon from being used at all.
local latest = is_issued_at(ARGV[8]) and ARGV[8] or '0'

local epoch = now_digits()
if tonumber(epoch) <= tonumber(ARGV[3]) then
  epoch = string.format('%.0f', tonumber(ARGV[3]) + 1)
end
if issued > 0 then
  -- An outbox that is empty, but whose next id must be above the last sequence.
  redis.call('XADD', outbox_key, epoch .. '-' .. issued, 'rebuilt', issued)
  redis.call('XTRIM', outbox_key, 'MAXLEN', '=', 0)
end
redis.call('SET', stock_key, total - issued)
redis.call('HSET', meta_key, 'total', ARGV[4], 'opens_at_ms', ARGV[5], 'closes_at_ms', ARGV[6],
  'lifecycle', ARGV[7], 'epoch', epoch, 'run_id', own_run_id(), 'latest_ms', latest)
redis.call('HDEL', meta_key, 'rebuilding')
local coupon, refusal = read_consistent()
return refusal or ok(coupon)
