-- reconfigure.lua: applies an operator's change in one step, or refuses it and changes nothing. The change carries new
-- values, not differences, so it may be sent again.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] known: number of issuances that the caller knows of
-- ARGV[3] total, '' to keep it
-- ARGV[4] the largest total allowed
-- ARGV[5] opens_at_ms, '' to keep the sale period
-- ARGV[6] closes_at_ms of the new sale period, '' if it has no end
-- ARGV[7] lifecycle, '' to keep it
--
-- Returns OK and the coupon after the change, or REFUSED and one of
--   CLOSED  TOTAL_OUT_OF_RANGE  BELOW_ISSUED issued  FROZEN
local total, max_total, opens_at, closes_at, lifecycle = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]

local coupon, refusal = read_consistent()
refusal = refusal or fence(coupon, ARGV[1], ARGV[2])
if refusal then
  return refusal
end

local new_total = total == '' and coupon.total or whole(total)
local new_opens = opens_at == '' and coupon.opens_digits or opens_at
local new_closes = opens_at == '' and coupon.closes_digits or closes_at
local new_lifecycle = lifecycle == '' and coupon.lifecycle or lifecycle
local same_window = new_opens == coupon.opens_digits and new_closes == coupon.closes_digits

-- A coupon may be closed twice: the first answer may have been lost.
if coupon.lifecycle == 'closed' and not (lifecycle == 'closed' and same_window and new_total == coupon.total) then
  return { 'REFUSED', 'CLOSED' }
end
if new_total < 1 or new_total > max_total then
  return { 'REFUSED', 'TOTAL_OUT_OF_RANGE' }
end
if new_total < coupon.issued then
  return { 'REFUSED', 'BELOW_ISSUED', coupon.issued }
end
if coupon.issued > 0 and not same_window then
  return { 'REFUSED', 'FROZEN' }
end

coupon.total, coupon.stock = new_total, new_total - coupon.issued
coupon.opens_digits, coupon.closes_digits, coupon.lifecycle = new_opens, new_closes, new_lifecycle
redis.call('SET', stock_key, coupon.stock)
redis.call('HSET', meta_key, 'total', coupon.total, 'opens_at_ms', coupon.opens_digits,
  'closes_at_ms', coupon.closes_digits, 'lifecycle', coupon.lifecycle)
return ok(coupon)
