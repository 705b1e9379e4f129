-- verify.lua: accepts the coupon of this server if it is consistent and holds every issuance known elsewhere. Total,
-- sale period and lifecycle come from the catalogue, because this server may be an older copy; but a pause or a close
-- that only this server has stays.
--
-- KEYS    as in coupon.lua
-- ARGV[1] known: the largest sequence known elsewhere, from the database or from the answers of nodes
-- ARGV[2] the oldest acceptable epoch
-- ARGV[3] total      from the catalogue, as are the next three
-- ARGV[4] opens_at_ms
-- ARGV[5] closes_at_ms, '' if none
-- ARGV[6] lifecycle
--
-- ARGV[7] token of the suspension. A late call must not undo changes that came after another verification.
--
-- Returns OK and the coupon, then the run id of this server; FENCED and the reason; or
--   LATE               the coupon has been suspended or released since; nothing was changed
local known, oldest_epoch, total = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local token = ARGV[7]

local suspension = redis.call('HGET', meta_key, 'suspension')
local is_repeated = suspension == 'ended ' .. token
if suspension ~= token and not is_repeated and redis.call('EXISTS', meta_key) == 1 then
  return { 'LATE' }
end
local coupon, refusal = read_consistent()
if not coupon then
  if refusal[1] == 'CORRUPT' then
    refusal[1] = 'FENCED'
  end
  return refusal
end
if is_repeated then
  local answer = ok(coupon)
  answer[9] = coupon.run_id
  return answer
end
if tonumber(coupon.epoch) < oldest_epoch then
  return { 'FENCED', 'Redis holds an epoch of the coupon from before its rebuild' }
end
if coupon.issued < known then
  return { 'FENCED', 'Redis holds ' .. coupon.issued .. ' issuances, but ' .. known .. ' are known' }
end

-- The remaining outbox must end at the last sequence and have no hole.
if coupon.issued > 0 then
  local stream = {}
  local info = redis.call('XINFO', 'STREAM', outbox_key)
  for i = 1, #info, 2 do
    stream[info[i]] = info[i + 1]
  end
  if stream['last-generated-id'] ~= coupon.epoch .. '-' .. coupon.issued then
    return { 'FENCED', 'the outbox ends at ' .. stream['last-generated-id'] .. ', not at sequence ' .. coupon.issued }
  end
  local length = stream['length']
  if length > 0 then
    local first, last = coupon.issued - length + 1, coupon.issued
    if stream['first-entry'][1] ~= coupon.epoch .. '-' .. first or stream['last-entry'][1] ~= coupon.epoch .. '-' .. last then
      return { 'FENCED', 'the outbox has a hole before sequence ' .. coupon.issued }
    end
  end
end

local strictness = { active = 1, paused = 2, closed = 3 }
if (strictness[ARGV[6]] or 0) > (strictness[coupon.lifecycle] or 0) then
  coupon.lifecycle = ARGV[6]
end
coupon.total = math.max(total, coupon.issued)
coupon.stock = coupon.total - coupon.issued
coupon.opens_digits, coupon.closes_digits = ARGV[4], ARGV[5]
local run_id = own_run_id()
redis.call('SET', stock_key, coupon.stock)
redis.call('HSET', meta_key, 'total', coupon.total, 'opens_at_ms', coupon.opens_digits,
  'closes_at_ms', coupon.closes_digits, 'lifecycle', coupon.lifecycle, 'run_id', run_id,
  'suspension', 'ended ' .. token)
local answer = ok(coupon)
answer[9] = run_id
return answer
