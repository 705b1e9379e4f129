-- admit.lua: decides for a batch of members in one step. A repeated call gives the same answer and changes nothing.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] known: number of issuances that the caller knows of
-- ARGV[3] n: number of members, 1 to 256
-- ARGV[4 .. n+3]    members, in the order in which they are served
-- ARGV[n+4 .. 2n+3] the traceparent of each, '' if there is none
--
-- Returns OK and the coupon after the step, then the issued_at_ms of the new issuances, then one verdict per member:
--   a number above 0             issued by this call with this sequence, at issued_at_ms
--   "sequence issued_at_ms"      issued earlier
--   0                            rejected; the caller derives the reason from the coupon
local epoch, count = ARGV[1], tonumber(ARGV[3])

local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, epoch, ARGV[2])
if refusal then
  return refusal
end

-- The 256 members of a full batch are far below unpack()'s limit of about 8,000 values.
local held = redis.call('HMGET', participants_key, unpack(ARGV, 4, count + 3))
local answer = ok(coupon)
local open = is_open(coupon)
local issued_at, left, last = issued_at_digits(coupon), coupon.stock, coupon.issued
answer[9] = issued_at
local new_fields, issued_in_batch = {}, {}

for i = 1, count do
  local member = ARGV[i + 3]
  local holding = held[i] or issued_in_batch[member]
  if holding then
    answer[i + 9] = holding
  elseif open and left > 0 then
    left, last = left - 1, last + 1
    holding = last .. ' ' .. issued_at
    issued_in_batch[member] = holding
    new_fields[#new_fields + 1] = member
    new_fields[#new_fields + 1] = holding
    answer[i + 9] = last
  else
    answer[i + 9] = 0
  end
end

if #new_fields == 0 then
  return answer
end

local sequence = coupon.issued
for i = 1, count do
  if type(answer[i + 9]) == 'number' and answer[i + 9] > 0 then
    sequence = sequence + 1
    add_to_outbox(epoch, sequence, ARGV[i + 3], issued_at, ARGV[i + count + 3])
  end
end
write_holders(new_fields, last - coupon.issued, issued_at)
answer[4] = left
return answer
