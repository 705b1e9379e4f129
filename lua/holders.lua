-- holders.lua: reads one page of holders with their issuances; changes nothing. It is fenced like the other scripts: a
-- gate that has read all pages answers "sold out" to every member who is not in them.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] known: number of issuances that the caller knows of
-- ARGV[3] cursor, '0' for the first page
-- ARGV[4] approximate page size
--
-- Returns OK, the next cursor ('0' after the last page), then a member and "sequence issued_at_ms" in turn.
--
-- Does not require the counts to agree: an operator needs the remaining holders most when they do not.
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
