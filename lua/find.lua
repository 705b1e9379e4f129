-- find.lua: what a member holds; changes nothing.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] member
--
-- Returns OK, then "sequence issued_at_ms" if the member holds one.
local meta, refusal = read_meta()
refusal = refusal or fence(meta, ARGV[1])
if refusal then
  return refusal
end
return { 'OK', redis.call('HGET', participants_key, ARGV[2]) or nil }
