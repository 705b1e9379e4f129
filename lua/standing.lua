-- standing.lua: reads the standing of a coupon; changes nothing.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows, '' to accept any
-- ARGV[2] known: number of issuances that the caller knows of
--
-- Returns OK and the coupon, then the issued_at_ms that an issuance of this moment would get.
local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, ARGV[1], ARGV[2])
if refusal then
  return refusal
end
local answer = ok(coupon)
answer[9] = issued_at_digits(coupon)
return answer
