-- verify.lua: accepts the coupon as this server has it, if that is whole and not less than what is known elsewhere.
--
-- KEYS    as in coupon.lua
-- ARGV[1] rows: the largest sequence known elsewhere, by the database or by what the caller has told members
--
-- Returns OK and the coupon, or FENCED and what is wrong with it.
local rows = tonumber(ARGV[1])

local coupon, refusal = read_consistent()
if not coupon then
  if refusal[1] == 'CORRUPT' then
    refusal[1] = 'FENCED'
  end
  return refusal
end
if coupon.issued < rows then
  return { 'FENCED', 'Redis holds ' .. coupon.issued .. ' issuances, but ' .. rows .. ' are known' }
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

redis.call('HSET', meta_key, 'run_id', own_run_id())
return ok(coupon)
