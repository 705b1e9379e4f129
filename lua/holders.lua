-- holders.lua: some of those who hold a coupon, and what each of them holds; changes nothing. It is fenced like the
-- rest: whoever takes the pages for all there are tells everybody else that it is sold out.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] cursor, '0' at first
-- ARGV[3] about how many to look at
--
-- Returns OK, the next cursor ('0' after the last page), then a member and "sequence issued_at_ms" in turn.
local meta, refusal = read_meta()
refusal = refusal or fence(meta, ARGV[1])
if refusal then
  return refusal
end
local page = redis.call('HSCAN', participants_key, ARGV[2], 'COUNT', ARGV[3])
local answer = { 'OK', page[1] }
for i = 1, #page[2] do
  answer[#answer + 1] = page[2][i]
end
return answer
