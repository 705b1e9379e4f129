-- coupon.lua: what every script begins with. It is set before each of them, and does nothing by itself.
--
-- KEYS[1] coupon:{ID}:meta          hash: total, opens_at_ms, closes_at_ms ('' if none), lifecycle, epoch, run_id;
--                                   latest_ms, the issued_at_ms of the highest sequence, absent before the first;
--                                   while it is rebuilt also rebuilding, the token of who does so
-- KEYS[2] coupon:{ID}:stock         how many are left
-- KEYS[3] coupon:{ID}:participants  hash: member to "sequence issued_at_ms"
-- KEYS[4] coupon:{ID}:outbox        stream: ids epoch-sequence; fields m (member), t (issued_at_ms), p (traceparent)
--
-- Every answer is a list whose first element says what the rest is:
--   OK epoch total stock opens_at_ms closes_at_ms lifecycle now_ms ...
--   UNKNOWN            there is no such coupon here
--   FENCED why         it may not be used before it has been verified
--   CORRUPT why        what is stored cannot be
--
-- Lua does not roll back. So every script reads and checks all it needs before its first write. A type that is not
-- the expected one raises an error at the read. A server that is out of memory refuses the first write of a script
-- and no later one (seen with Redis 7.0), so that a script writes all or nothing there, too.
local meta_key, stock_key, participants_key, outbox_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

-- The number that a text of digits says; nil for anything else, which tonumber() would often take.
local function whole(text)
  return text and string.match(text, '^%d+$') and tonumber(text) or nil
end

-- Milliseconds since 1970, as the digits to store. One call a script: a batch is decided at one moment.
local now_told
local function now_digits()
  if not now_told then
    local time = redis.call('TIME')
    now_told = time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
  end
  return now_told
end

-- An epoch is the moment of a loading, or one more than the epoch before. One that is a hundred years ahead was written by
-- hand: above 2^53 the next number is the same again, and no later epoch could be told from it. The bound moves on with
-- the clock, so that there is always a next one. The node has the same one (persistence/redis/epoch.rs).
local EPOCH_AHEAD_MAX_MS = 3155760000000
local function is_epoch(text)
  return text and string.match(text, '^[1-9]%d*$') and tonumber(text) <= tonumber(now_digits()) + EPOCH_AHEAD_MAX_MS
end

-- Whether a coupon can have been issued at that moment, by the same bound.
local function is_issued_at(text)
  return text == '0' or is_epoch(text)
end

-- Names the very process that answers: a server that restarted or was replaced has another one.
local function own_run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or error('Redis does not tell its run id')
end

local function read_meta()
  local field = redis.call('HMGET', meta_key,
    'total', 'opens_at_ms', 'closes_at_ms', 'lifecycle', 'epoch', 'run_id', 'rebuilding')
  if field[7] then
    return nil, { 'FENCED', 'the coupon is being rebuilt from the database' }
  end
  if not (field[1] or field[2] or field[3] or field[4] or field[5] or field[6]) then
    return nil, { 'UNKNOWN' }
  end
  local meta = {
    total = whole(field[1]),
    opens_at_ms = whole(field[2]),
    closes_at_ms = whole(field[3]),
    lifecycle = field[4],
    epoch = field[5],
    run_id = field[6],
  }
  local closes_known = field[3] == '' or meta.closes_at_ms
  if not (meta.total and meta.opens_at_ms and closes_known and meta.lifecycle and meta.epoch and meta.run_id) then
    return nil, { 'CORRUPT', 'the meta hash lacks a field, or has one that is no number' }
  end
  if not is_epoch(meta.epoch) then
    return nil, { 'CORRUPT', 'the epoch is no moment at which the coupon can have been loaded' }
  end
  meta.opens_digits, meta.closes_digits = field[2], field[3]
  return meta
end

-- The whole coupon if its keys agree with one another; otherwise nil and the answer to give.
local function read_consistent()
  local coupon, refusal = read_meta()
  if not coupon then
    return nil, refusal
  end
  coupon.stock = whole(redis.call('GET', stock_key))
  if not coupon.stock or coupon.stock > coupon.total then
    return nil, { 'CORRUPT', 'the stock is missing, or is no number from 0 to the total' }
  end
  coupon.issued = coupon.total - coupon.stock
  if redis.call('HLEN', participants_key) ~= coupon.issued then
    return nil, { 'CORRUPT', 'the participants are not as many as the stock says' }
  end
  local outbox_type = redis.call('TYPE', outbox_key).ok
  if outbox_type ~= 'stream' and (outbox_type ~= 'none' or coupon.issued > 0) then
    return nil, { 'CORRUPT', 'the outbox is missing, or is no stream' }
  end
  coupon.latest_digits = redis.call('HGET', meta_key, 'latest_ms') or '0'
  if not is_issued_at(coupon.latest_digits) then
    return nil, { 'CORRUPT', 'latest_ms is no moment at which a coupon can have been issued' }
  end
  coupon.now_digits = now_digits()
  return coupon
end

-- Why a coupon may not be used now, or nil. Who asks names the epoch it knows, '' for none, and how many it knows to
-- have been issued: a server that has less has lost something.
local function fence(coupon, epoch, known)
  if epoch ~= '' and coupon.epoch ~= epoch then
    return { 'FENCED', 'the coupon was loaded anew since this node learnt of it' }
  end
  if coupon.run_id ~= own_run_id() then
    return { 'FENCED', 'Redis restarted or was replaced, and has not been verified since' }
  end
  if coupon.issued < tonumber(known) then
    return { 'FENCED', 'Redis holds ' .. coupon.issued .. ' issuances, but ' .. known .. ' are known' }
  end
  return nil
end

-- Whether a member who holds none would be issued one. The order of the reasons is the domain's business.
local function is_open(coupon)
  local now_ms = tonumber(coupon.now_digits)
  return coupon.lifecycle == 'active'
    and now_ms >= coupon.opens_at_ms
    and (not coupon.closes_at_ms or now_ms < coupon.closes_at_ms)
    and coupon.stock > 0
end

-- The issued_at_ms of what is issued now: a clock that was set back does not set it back. Windows go by the clock itself.
local function issued_at_digits(coupon)
  if tonumber(coupon.latest_digits) > tonumber(coupon.now_digits) then
    return coupon.latest_digits
  end
  return coupon.now_digits
end

-- Puts what is issued now into the outbox. To be called before anything else is written: a stream refuses an id that is
-- not above its last one, and then nothing has been.
local function add_to_outbox(epoch, sequence, member, issued_at, traceparent)
  local id = epoch .. '-' .. sequence
  if traceparent == '' then
    redis.call('XADD', outbox_key, id, 'm', member, 't', issued_at)
  else
    redis.call('XADD', outbox_key, id, 'm', member, 't', issued_at, 'p', traceparent)
  end
end

-- Writes who holds what from now on, and what is left.
local function write_holders(new_fields, count, issued_at)
  redis.call('HSET', participants_key, unpack(new_fields))
  redis.call('DECRBY', stock_key, count)
  redis.call('HSET', meta_key, 'latest_ms', issued_at)
end

local function ok(coupon)
  return {
    'OK', coupon.epoch, coupon.total, coupon.stock, coupon.opens_digits, coupon.closes_digits,
    coupon.lifecycle, coupon.now_digits,
  }
end
