-- admit_held.lua: writes the decision of a lock holder. A repeated call gives the same answer and changes nothing.
--
-- KEYS    as in coupon.lua, and
-- KEYS[5] coupon:{ID}:turn  counter of the lock: the fencing token of the last lock holder
-- ARGV[1] epoch that the caller knows
-- ARGV[2] known: number of issuances that the caller knows of
-- ARGV[3] the caller's fencing token
-- ARGV[4] issued: number of issuances when the caller decided
-- ARGV[5] issued_at_ms of the new issuances, not before the latest_ms that the caller read
-- ARGV[6] n: number of new holders, 0 to 256
-- ARGV[7 .. n+6]    the new holders, in the order in which they are served; none held the coupon when it was read
-- ARGV[n+7 .. 2n+6] the traceparent of each, '' if there is none
--
-- Returns OK and the coupon after the step, or
--   LATE               the lock was taken again or the coupon changed since the decision; nothing was written
local turn_key = KEYS[5]
local epoch, token, issued, issued_at, count = ARGV[1], ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])

local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, epoch, ARGV[2])
if refusal then
  return refusal
end
-- Nothing to write: the fence has confirmed that the process which the caller read still answers, and that suffices.
if count == 0 then
  return ok(coupon)
end

local held = redis.call('HMGET', participants_key, unpack(ARGV, 7, count + 6))
local new_fields, written = {}, 0
for i = 1, count do
  local holding = (issued + i) .. ' ' .. issued_at
  new_fields[2 * i - 1], new_fields[2 * i] = ARGV[i + 6], holding
  if held[i] == holding then
    written = written + 1
  elseif held[i] then
    return { 'LATE' }
  end
end
-- This call ran before and its answer was lost.
if written == count then
  return ok(coupon)
end

-- After the lease has run out and another node has taken the lock, the caller must not write. Operators and nodes that
-- decide by admit.lua take no lock: the checks of the coupon itself detect their changes.
if redis.call('GET', turn_key) ~= token or coupon.issued ~= issued then
  return { 'LATE' }
end
if not is_open(coupon) or coupon.stock < count or tonumber(issued_at) < tonumber(coupon.latest_digits) then
  return { 'LATE' }
end

for i = 1, count do
  add_to_outbox(epoch, issued + i, ARGV[i + 6], issued_at, ARGV[i + count + 6])
end
write_holders(new_fields, count, issued_at)
coupon.stock = coupon.stock - count
return ok(coupon)
