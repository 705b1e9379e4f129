-- lock_release.lua: releases the lock of a coupon if the caller still holds it. coupon.lua is not prepended.
--
-- KEYS[1] coupon:{ID}:lock
-- ARGV[1] token with which the caller took the lock
--
-- Returns 1 if the lock was released, 0 if its lease had run out.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
