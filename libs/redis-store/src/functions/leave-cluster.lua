-- leave_cluster: gives a registration back, if it is still the caller's; the leadership ends with it (lead-cluster.lua).
--
-- KEYS[1]  {cluster}:members, see register-member.lua
-- KEYS[2]  {cluster}:left, likewise
-- ARGV[1]  name
-- ARGV[2]  node
--
-- Returns 1 when it was given back, else 0.

local function leave_cluster(keys, args)
  local present = redis.call('HGET', keys[1], args[1])
  if not present or run_of(present) ~= args[2] then return 0 end
  remember(keys[2], args[1], now_ms(), args[2])
  return redis.call('HDEL', keys[1], args[1])
end

redis.register_function{ function_name = LIBRARY .. '_leave_cluster', callback = leave_cluster, flags = { 'allow-oom' } }
