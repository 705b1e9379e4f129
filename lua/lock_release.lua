-- lock_release.lua: gives the lock of a coupon back, if it is still one's own. coupon.lua is not put before it.
--
-- KEYS[1] coupon:{ID}:lock
-- ARGV[1] token by which it was taken
--
-- Returns 1 if it was given back, 0 if the lease had run out.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
