-- trim.lua: drops outbox entries that the database holds. Idempotent. A plain XTRIM would not do: it does not check the
-- epoch, and would drop entries of a later epoch that the database lacks.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] first sequence to keep
--
-- Returns OK, then the number of dropped entries.
local epoch, first_kept = ARGV[1], ARGV[2]

local meta, refusal = read_meta()
if not meta then
  return refusal
end
if meta.epoch ~= epoch then
  return { 'FENCED', 'the coupon has been loaded again since this node read its epoch' }
end
return { 'OK', redis.call('XTRIM', outbox_key, 'MINID', '=', epoch .. '-' .. first_kept) }
