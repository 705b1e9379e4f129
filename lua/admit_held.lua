-- admit_held.lua: writes what the holder of the lock has decided. Asking again gives the same answer and changes nothing.
--
-- KEYS    as in coupon.lua, and
-- KEYS[5] coupon:{ID}:turn  how often the lock has been taken
-- ARGV[1] epoch that the caller knows
-- ARGV[2] known: how many the caller knows to have been issued
-- ARGV[3] turn: the number of the caller's turn
-- ARGV[4] issued: how many were issued when the caller decided
-- ARGV[5] issued_at_ms of what it decided, not before the latest it read
-- ARGV[6] n, how many win, 0 to 256
-- ARGV[7 .. n+6]    those who win, in the order in which they are served; none of them held one
-- ARGV[n+7 .. 2n+6] the traceparent of each, '' if there is none
--
-- Returns OK and the coupon after the step, or
--   LATE               the lock has been taken since, or what was decided from is no longer so; nothing was written
local turn_key = KEYS[5]
local epoch, turn, issued, issued_at, count = ARGV[1], ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])

local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, epoch, ARGV[2])
if refusal then
  return refusal
end
-- Nothing to write: that the process which was read is still the one that answers is all there is to know.
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
-- It has run before, and its answer was lost.
if written == count then
  return ok(coupon)
end

-- A holder whose lease ran out, and after whom another one has read, must not write. Operators do not take the lock, nor
-- do nodes that decide by admit.lua: what they have changed shows.
if redis.call('GET', turn_key) ~= turn or coupon.issued ~= issued then
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
