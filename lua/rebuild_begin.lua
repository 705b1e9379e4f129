-- rebuild_begin.lua: empties the coupon, to be filled anew from the database. Until that is finished nobody may use it.
-- Whoever began before is out: their token is no longer the one.
--
-- KEYS    as in coupon.lua
-- ARGV[1] token of this rebuilding
--
-- Returns OK.
if redis.call('TYPE', meta_key).ok ~= 'hash' then
  redis.call('UNLINK', meta_key)
end
redis.call('HSET', meta_key, 'rebuilding', ARGV[1])
redis.call('UNLINK', stock_key, participants_key, outbox_key)
return { 'OK' }
