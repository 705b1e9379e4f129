-- verify.lua: accepts the coupon as this server has it, if that is whole and not less than what is known elsewhere. What
-- operators have said counts as the catalogue has it, for this server may be an older copy; but a pause or a close that
-- only this server knows stays.
--
-- KEYS    as in coupon.lua
-- ARGV[1] known: the largest sequence known elsewhere, by the database or by what nodes have told members
-- ARGV[2] the oldest epoch that can be the right one
-- ARGV[3] total      by the catalogue, and so are the next three
-- ARGV[4] opens_at_ms
-- ARGV[5] closes_at_ms, '' if none
-- ARGV[6] lifecycle
--
-- Returns OK and the coupon, or FENCED and what is wrong with it.
local known, oldest_epoch, total = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local coupon, refusal = read_consistent()
if not coupon then
  if refusal[1] == 'CORRUPT' then
    refusal[1] = 'FENCED'
  end
  return refusal
end
if tonumber(coupon.epoch) < oldest_epoch then
  return { 'FENCED', 'Redis holds the coupon as it was before it was rebuilt' }
end
if coupon.issued < known then
  return { 'FENCED', 'Redis holds ' .. coupon.issued .. ' issuances, but ' .. known .. ' are known' }
end

-- What is left of the outbox must reach from somewhere up to the last sequence without a hole.
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
