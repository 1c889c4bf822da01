-- acquire_lease: takes or renews a lease on the clock of Redis (I10). Runs over maxmemory, too.
--
-- KEYS[1]  {leases}:<name>: a hash of
--            holder    one run of one node
--            identity  the node, the same for all its runs
--            until     when the lease ends, ms since 1970 on this Redis
-- ARGV[1]  holder
-- ARGV[2]  identity: an earlier run of the same node is replaced at once
-- ARGV[3]  duration, ms
--
-- Returns { 'held' } or { 'taken', holder, remaining ms }.

local function acquire_lease(keys, args)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local lease = redis.call('HMGET', keys[1], 'holder', 'identity', 'until')
  if lease[1] and lease[1] ~= args[1] and lease[2] ~= args[2] then
    local remaining = tonumber(lease[3]) - now
    if remaining > 0 then return { 'taken', lease[1], string.format('%.0f', remaining) } end
  end
  local ends = string.format('%.0f', now + tonumber(args[3]))
  redis.call('HSET', keys[1], 'holder', args[1], 'identity', args[2], 'until', ends)
  -- The lease itself goes by `until`; the expiry only clears away what nodes of the past left.
  redis.call('PEXPIRE', keys[1], string.format('%.0f', tonumber(args[3]) + 3600000))
  return { 'held' }
end

redis.register_function{ function_name = LIBRARY .. '_acquire_lease', callback = acquire_lease, flags = { 'allow-oom' } }
