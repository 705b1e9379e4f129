-- find.lua: what a member holds; changes nothing.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] known: how many the caller knows to have been issued
-- ARGV[3] member
--
-- Returns OK, then "sequence issued_at_ms" if the member holds one.
local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, ARGV[1], ARGV[2])
if refusal then
  return refusal
end
return { 'OK', redis.call('HGET', participants_key, ARGV[3]) or nil }
