-- load.lua: makes a coupon known. One that is known already keeps everything as it is.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows, '' if none
-- ARGV[2] issued: how many the caller knows to have been issued, by the database or by what it has told members
-- ARGV[3] total
-- ARGV[4] opens_at_ms
-- ARGV[5] closes_at_ms, '' if none
-- ARGV[6] lifecycle
--
-- Returns OK and the coupon, then 1 if it was made known now, 0 if it was before.
local epoch, issued = ARGV[1], tonumber(ARGV[2])

local coupon, refusal = read_consistent()
if coupon then
  refusal = fence(coupon, epoch, issued)
  if refusal then
    return refusal
  end
  local answer = ok(coupon)
  answer[9] = 0
  return answer
end
if refusal[1] ~= 'UNKNOWN' then
  return refusal
end
if issued > 0 then
  return { 'FENCED', 'Redis has lost the coupon, of which ' .. issued .. ' are known to be issued' }
end
if redis.call('EXISTS', stock_key, participants_key, outbox_key) > 0 then
  return { 'CORRUPT', 'the meta hash is missing, but other keys of the coupon are there' }
end

-- The moment of loading is the epoch. It need only differ from that of an earlier load: that one's outbox is gone.
local now, run_id = now_digits(), own_run_id()
redis.call('SET', stock_key, ARGV[3])
redis.call('HSET', meta_key, 'total', ARGV[3], 'opens_at_ms', ARGV[4], 'closes_at_ms', ARGV[5],
  'lifecycle', ARGV[6], 'epoch', now, 'run_id', run_id)
coupon = read_consistent()
local answer = ok(coupon)
answer[9] = 1
return answer
