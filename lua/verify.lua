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
-- Returns OK and the coupon, or FENCED and the reason.
local known, oldest_epoch, total = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local coupon, refusal = read_consistent()
if not coupon then
  if refusal[1] == 'CORRUPT' then
    refusal[1] = 'FENCED'
  end
  return refusal
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
redis.call('SET', stock_key, coupon.stock)
redis.call('HSET', meta_key, 'total', coupon.total, 'opens_at_ms', coupon.opens_digits,
  'closes_at_ms', coupon.closes_digits, 'lifecycle', coupon.lifecycle, 'run_id', own_run_id())
return ok(coupon)
