-- holders.lua: some of those who hold a coupon, and what each of them holds; changes nothing. It is fenced like the
-- rest: whoever takes the pages for all there are tells everybody else that it is sold out.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] known: how many the caller knows to have been issued
-- ARGV[3] cursor, '0' at first
-- ARGV[4] about how many to look at
--
-- Returns OK, the next cursor ('0' after the last page), then a member and "sequence issued_at_ms" in turn.
--
-- It can be read also where the counts do not agree, because that is when somebody has to look at who is left.
local coupon, refusal = read_meta()
if coupon then
  coupon.issued = redis.call('HLEN', participants_key)
  refusal = fence(coupon, ARGV[1], ARGV[2])
end
if refusal then
  return refusal
end
local page = redis.call('HSCAN', participants_key, ARGV[3], 'COUNT', ARGV[4])
local answer = { 'OK', page[1] }
for i = 1, #page[2] do
  answer[#answer + 1] = page[2][i]
end
return answer
