-- depth.lua: counts the entries of the outbox; changes nothing. A plain XLEN would not do: it answers 0 for a lost
-- coupon as it does for an empty outbox.
--
-- KEYS    as in coupon.lua
--
-- Returns OK, then the number.
local meta, refusal = read_meta()
if not meta then
  return refusal
end
return { 'OK', redis.call('XLEN', outbox_key) }
