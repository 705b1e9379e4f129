-- standing.lua: how a coupon stands; changes nothing.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows, '' to learn which it is
-- ARGV[2] known: how many the caller knows to have been issued
--
-- Returns OK and the coupon, then the issued_at_ms of what would be issued now.
local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, ARGV[1], ARGV[2])
if refusal then
  return refusal
end
local answer = ok(coupon)
answer[9] = issued_at_digits(coupon)
return answer
