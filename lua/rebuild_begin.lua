-- rebuild_begin.lua: empties the coupon, to be filled again from the database. It stays fenced until the rebuild ends.
-- An earlier rebuild that is still running fails at its next step, because its token is replaced.
--
-- KEYS    as in coupon.lua
-- ARGV[1] token of this rebuild
--
-- Returns OK.
if redis.call('TYPE', meta_key).ok ~= 'hash' then
  redis.call('UNLINK', meta_key)
end
redis.call('HSET', meta_key, 'rebuilding', ARGV[1])
redis.call('UNLINK', stock_key, participants_key, outbox_key)
return { 'OK' }
