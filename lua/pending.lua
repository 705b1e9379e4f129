-- pending.lua: reads outbox entries, the issuances that may not be in the database yet; changes nothing.
--
-- There is no fence against a restarted server: every entry of its outbox was decided, even if the server lost other
-- data. Another epoch is refused, because its sequences are other issuances.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] after: return entries above this sequence
-- ARGV[3] maximum number of entries
--
-- Returns OK, then the entries as XRANGE gives them.
local epoch, after, limit = ARGV[1], ARGV[2], ARGV[3]

local meta, refusal = read_meta()
if not meta then
  return refusal
end
if meta.epoch ~= epoch then
  return { 'FENCED', 'the coupon has been loaded again since this node read its epoch' }
end
local answer = redis.call('XRANGE', outbox_key, '(' .. epoch .. '-' .. after, '+', 'COUNT', limit)
table.insert(answer, 1, 'OK')
return answer
