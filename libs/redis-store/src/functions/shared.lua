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
