-- coupon.lua: the common beginning of the scripts. The node prepends it to each of them; it does nothing by itself.
--
-- KEYS[1] coupon:{ID}:meta          hash: total, opens_at_ms, closes_at_ms ('' if none), lifecycle, epoch, run_id;
--                                   latest_ms, the issued_at_ms of the highest sequence, absent before the first;
--                                   during a rebuild also rebuilding, the token of that rebuild
-- KEYS[2] coupon:{ID}:stock         remaining issuances
-- KEYS[3] coupon:{ID}:participants  hash: member to "sequence issued_at_ms"
-- KEYS[4] coupon:{ID}:outbox        stream: ids epoch-sequence; fields m (member), t (issued_at_ms), p (traceparent)
--
-- Every answer is a list. Its first element determines the rest:
--   OK epoch total stock opens_at_ms closes_at_ms lifecycle now_ms ...
--   UNKNOWN            this server has no such coupon
--   FENCED reason      the coupon must be verified before it is used
--   CORRUPT reason     the stored data is impossible
--
-- Redis does not roll back a script. Every script therefore reads and checks all its data before its first write. A key
-- of an unexpected type raises an error at the read. A server that is out of memory refuses the first write of a script
-- and no later one (seen with Redis 7.0), so a script writes all or nothing there, too.
local meta_key, stock_key, participants_key, outbox_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

-- Parses digits; nil for any other text. tonumber() alone would accept many others.
local function whole(text)
  return text and string.match(text, '^%d+$') and tonumber(text) or nil
end

-- Milliseconds since 1970, in digits. Read once per script: a batch is decided at one moment.
local cached_now_digits
local function now_digits()
  if not cached_now_digits then
    local time = redis.call('TIME')
    cached_now_digits = time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
  end
  return cached_now_digits
end

-- An epoch is the moment of a loading, or the previous epoch plus one. An epoch a hundred years ahead was written by
-- hand, and must be refused: above 2^53 adding one gives the same number, so a later epoch could not be distinguished.
-- The bound moves with the clock, so a next epoch always exists. The node has the same bound
-- (persistence/redis/epoch.rs).
local EPOCH_AHEAD_MAX_MS = 3155760000000
local function is_epoch(text)
  return text and string.match(text, '^[1-9]%d*$') and tonumber(text) <= tonumber(now_digits()) + EPOCH_AHEAD_MAX_MS
end

-- The same bound for issued_at_ms; '0' stands for no issuance.
local function is_issued_at(text)
  return text == '0' or is_epoch(text)
end

-- The run id identifies the Redis process: a restart or a replacement changes it.
local function own_run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or error('INFO of Redis lacks run_id')
end

local function read_meta()
  local field = redis.call('HMGET', meta_key,
    'total', 'opens_at_ms', 'closes_at_ms', 'lifecycle', 'epoch', 'run_id', 'rebuilding', 'latest_ms')
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
    latest_digits = field[8] or '0',
  }
  local closes_known = field[3] == '' or meta.closes_at_ms
  if not (meta.total and meta.opens_at_ms and closes_known and meta.lifecycle and meta.epoch and meta.run_id) then
    return nil, { 'CORRUPT', 'the meta hash lacks a field, or a field is not a number' }
  end
  if not is_epoch(meta.epoch) then
    return nil, { 'CORRUPT', 'the epoch is not a possible time of loading' }
  end
  meta.opens_digits, meta.closes_digits = field[2], field[3]
  return meta
end

-- Reads the whole coupon and checks that its keys agree; otherwise returns nil and the script's answer.
local function read_consistent()
  local coupon, refusal = read_meta()
  if not coupon then
    return nil, refusal
  end
  coupon.stock = whole(redis.call('GET', stock_key))
  if not coupon.stock or coupon.stock > coupon.total then
    return nil, { 'CORRUPT', 'the stock is missing, or is not a number from 0 to the total' }
  end
  coupon.issued = coupon.total - coupon.stock
  if redis.call('HLEN', participants_key) ~= coupon.issued then
    return nil, { 'CORRUPT', 'the number of participants does not match the stock' }
  end
  local outbox_type = redis.call('TYPE', outbox_key).ok
  if outbox_type ~= 'stream' and (outbox_type ~= 'none' or coupon.issued > 0) then
    return nil, { 'CORRUPT', 'the outbox is missing, or is not a stream' }
  end
  if not is_issued_at(coupon.latest_digits) then
    return nil, { 'CORRUPT', 'latest_ms is not a possible time of issue' }
  end
  coupon.now_digits = now_digits()
  return coupon
end

-- Returns FENCED and the reason if the coupon must not be used now, else nil. epoch is the caller's epoch, '' if it has
-- none; known is the number of issuances that the caller knows of: a server that has fewer has lost data.
local function fence(coupon, epoch, known)
  if epoch ~= '' and coupon.epoch ~= epoch then
    return { 'FENCED', 'the coupon has been loaded again since this node read its epoch' }
  end
  if coupon.run_id ~= own_run_id() then
    return { 'FENCED', 'Redis restarted or was replaced and has not been verified yet' }
  end
  if coupon.issued < tonumber(known) then
    return { 'FENCED', 'Redis holds ' .. coupon.issued .. ' issuances, but ' .. known .. ' are known' }
  end
  return nil
end

-- Whether a member without an issuance would get one. The domain decides which reason of a rejection comes first.
local function is_open(coupon)
  local now_ms = tonumber(coupon.now_digits)
  return coupon.lifecycle == 'active'
    and now_ms >= coupon.opens_at_ms
    and (not coupon.closes_at_ms or now_ms < coupon.closes_at_ms)
    and coupon.stock > 0
end

-- The issued_at_ms of a new issuance never goes back, even if the clock was set back. Sale periods follow the clock.
local function issued_at_digits(coupon)
  if tonumber(coupon.latest_digits) > tonumber(coupon.now_digits) then
    return coupon.latest_digits
  end
  return coupon.now_digits
end

-- Adds a new issuance to the outbox. Must be a script's first write: a stream refuses an id that is not above its last
-- one, and the script then ends with nothing written.
local function add_to_outbox(epoch, sequence, member, issued_at, traceparent)
  local id = epoch .. '-' .. sequence
  if traceparent == '' then
    redis.call('XADD', outbox_key, id, 'm', member, 't', issued_at)
  else
    redis.call('XADD', outbox_key, id, 'm', member, 't', issued_at, 'p', traceparent)
  end
end

-- Writes the new holders and the remaining stock.
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
