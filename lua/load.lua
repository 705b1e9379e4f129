-- load.lua: adds a coupon to Redis. A coupon that is already there stays as it is.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows, '' if none
-- ARGV[2] issued: number of issuances that the caller knows of, from the database or from its own answers
-- ARGV[3] total
-- ARGV[4] opens_at_ms
-- ARGV[5] closes_at_ms, '' if none
-- ARGV[6] lifecycle
--
-- Returns OK and the coupon, then 1 if this call added it, 0 if it was there before.
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
  return { 'FENCED', 'Redis has lost the coupon; known issuances: ' .. issued }
end
if redis.call('EXISTS', stock_key, participants_key, outbox_key) > 0 then
  return { 'CORRUPT', 'the meta hash is missing, but other keys of the coupon are there' }
end

-- The moment of loading is the epoch. It only has to differ from earlier epochs, whose outboxes are gone.
local now, run_id = now_digits(), own_run_id()
redis.call('SET', stock_key, ARGV[3])
redis.call('HSET', meta_key, 'total', ARGV[3], 'opens_at_ms', ARGV[4], 'closes_at_ms', ARGV[5],
  'lifecycle', ARGV[6], 'epoch', now, 'run_id', run_id)
coupon = read_consistent()
local answer = ok(coupon)
answer[9] = 1
return answer
