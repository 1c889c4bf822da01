-- What several functions of the cluster use. Not an operation; it stands before them in the library.

-- The clock of Redis, ms since 1970 (I10).
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- A whole number as text: Lua prints 1e15 as "1e+15".
local function whole(number)
  return string.format('%.0f', number)
end

-- Keeps '<ms since 1970> <value>' in a hash of the past that never grows above 1,000 fields: the oldest is forgotten.
local function remember(key, field, now, value)
  redis.call('HSET', key, field, whole(now) .. ' ' .. value)
  if redis.call('HLEN', key) <= 1000 then return end
  local all = redis.call('HGETALL', key)
  local oldest, oldest_ms
  for i = 1, #all, 2 do
    local ms = tonumber(string.match(all[i + 1], '^%d+'))
    if not oldest or ms < oldest_ms then oldest, oldest_ms = all[i], ms end
  end
  redis.call('HDEL', key, oldest)
end

-- What `remember` keeps of a field, nil for nothing.
local function remembered(key, field)
  local found = redis.call('HGET', key, field)
  return found and string.match(found, '^%d+ (.*)$') or nil
end

-- The run that holds or held a registration.
local function run_of(registration)
  return string.match(registration, '^%S+')
end

-- A short Timeline is one text where a longer one is a stream, for a stream of one entry takes as much room as one of many:
-- of each entry its id and its data, packed one behind the other. Returns nil where there is a stream, something else, or
-- nothing. It is looked first what there is, for what Redis refuses it counts as an error.
local function short_timeline(key)
  if redis.pcall('TYPE', key).ok ~= 'string' then return nil end
  local text = redis.pcall('GET', key)
  -- The head of a packed string of 3 to 31 bytes: no text that a stranger would set begins like it.
  local first = type(text) == 'string' and string.byte(text)
  return first and first >= 0xa3 and first <= 0xbf and text or nil
end

-- The two numbers of an id, `(` before it or not.
local function id_numbers(id)
  local gen, seq = string.match(id, '^%(?(%d+)-(%d+)$')
  return tonumber(gen), tonumber(seq)
end

-- The entries of a short Timeline whose ids are from `first` to `last`, each as XRANGE tells it: { id, { 'e', data } }.
-- An id with `(` before it is itself left out.
local function short_entries(text, first, last)
  local values = { cmsgpack.unpack(text) }
  local first_gen, first_seq = id_numbers(first)
  local last_gen, last_seq = id_numbers(last)
  if string.byte(first) == 40 then first_seq = first_seq + 1 end
  if string.byte(last) == 40 then last_seq = last_seq - 1 end
  local entries = {}
  for i = 1, #values, 2 do
    local gen, seq = id_numbers(values[i])
    local is_behind = gen > first_gen or gen == first_gen and seq >= first_seq
    local is_before = gen < last_gen or gen == last_gen and seq <= last_seq
    if is_behind and is_before then entries[#entries + 1] = { values[i], { 'e', values[i + 1] } } end
  end
  return entries
end
