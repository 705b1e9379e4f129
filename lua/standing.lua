-- standing.lua: how a coupon stands; changes nothing.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows, '' to learn which it is
-- ARGV[2] known: how many the caller knows to have been issued
--
-- Returns OK and the coupon.
local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, ARGV[1], ARGV[2])
return refusal or ok(coupon)
