-- suspend.lua: lets nobody use the coupon before it has been verified, as after a restart. Somebody has reason to doubt
-- it, and what is decided from now on could not be taken into account.
--
-- KEYS    as in coupon.lua
--
-- Returns OK, then the epoch, '' if there is no such coupon here or it is being rebuilt.
if redis.call('TYPE', meta_key).ok ~= 'hash' then
  return { 'OK', '' }
end
redis.call('HSET', meta_key, 'run_id', '')
if redis.call('HEXISTS', meta_key, 'rebuilding') == 1 then
  return { 'OK', '' }
end
return { 'OK', redis.call('HGET', meta_key, 'epoch') or '' }
