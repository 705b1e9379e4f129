-- find.lua: reads the issuance of one member; changes nothing.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] known: number of issuances that the caller knows of
-- ARGV[3] member
--
-- Returns OK, then "sequence issued_at_ms" if the member holds one.
local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, ARGV[1], ARGV[2])
if refusal then
  return refusal
end
return { 'OK', redis.call('HGET', participants_key, ARGV[3]) or nil }
