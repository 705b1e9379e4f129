-- depth.lua: how many entries the outbox has; changes nothing. Why a script and no plain XLEN: a coupon that was lost
-- must not look like one whose outbox is empty.
--
-- KEYS    as in coupon.lua
--
-- Returns OK, then the number.
local meta, refusal = read_meta()
if not meta then
  return refusal
end
return { 'OK', redis.call('XLEN', outbox_key) }
