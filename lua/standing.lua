-- standing.lua: reads the standing of a coupon; changes nothing.
--
-- KEYS    as in coupon.lua
-- ARGV[1] life that the caller knows, epoch@run_id, '' to accept any
-- ARGV[2] known: number of issuances that the caller knows of
--
-- Returns OK and the coupon, then the issued_at_ms that an issuance of this moment would get, then the run id
-- of this server.
local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, ARGV[1], ARGV[2])
if refusal then
  return refusal
end
local answer = ok(coupon)
answer[9], answer[10] = issued_at_digits(coupon), coupon.run_id
return answer
