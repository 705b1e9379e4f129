-- trim.lua: drops what the database holds from the outbox. Idempotent. Why a script and no plain XTRIM: a sequence
-- says nothing about the outbox of another epoch, from which a plain XTRIM could drop what nobody has.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] first sequence to keep
--
-- Returns OK, then how many were dropped.
local epoch, first_kept = ARGV[1], ARGV[2]

local meta, refusal = read_meta()
if not meta then
  return refusal
end
if meta.epoch ~= epoch then
  return { 'FENCED', 'the coupon was loaded anew since this node learnt of it' }
end
return { 'OK', redis.call('XTRIM', outbox_key, 'MINID', '=', epoch .. '-' .. first_kept) }
