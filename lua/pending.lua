-- pending.lua: what has been issued but is not yet known to be in the database; changes nothing.
--
-- A server that restarted may be read before it has been verified: what is in its outbox has been decided, whatever
-- else it lost. Another epoch may not, because its sequences are other issuances.
--
-- KEYS    as in coupon.lua
-- ARGV[1] epoch that the caller knows
-- ARGV[2] after: the sequence above which entries are wanted
-- ARGV[3] the most entries to return
--
-- Returns OK, then the entries as XRANGE gives them.
local epoch, after, limit = ARGV[1], ARGV[2], ARGV[3]

local meta, refusal = read_meta()
if not meta then
  return refusal
end
if meta.epoch ~= epoch then
  return { 'FENCED', 'the coupon was loaded anew since this node learnt of it' }
end
local answer = redis.call('XRANGE', outbox_key, '(' .. epoch .. '-' .. after, '+', 'COUNT', limit)
table.insert(answer, 1, 'OK')
return answer
