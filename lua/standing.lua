-- standing.lua: how a coupon stands; changes nothing.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
--
-- Returns OK and the coupon.
local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, ARGV[1])
return refusal or ok(coupon)
