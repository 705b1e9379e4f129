-- suspend.lua: fences the coupon until it has been verified, as after a restart. A recovery begins with it, because the
-- recovery could not take later decisions into account.
--
-- KEYS    as in coupon.lua
--
-- Returns OK, then the epoch, '' if this server has no such coupon or a rebuild is running.
if redis.call('TYPE', meta_key).ok ~= 'hash' then
  return { 'OK', '' }
end
redis.call('HSET', meta_key, 'run_id', '')
if redis.call('HEXISTS', meta_key, 'rebuilding') == 1 then
  return { 'OK', '' }
end
return { 'OK', redis.call('HGET', meta_key, 'epoch') or '' }
