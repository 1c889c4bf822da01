-- put_view: stores a view of the cluster, if its maker leads and it is newer than the stored one. Runs over maxmemory,
-- too: a dead node's partitions must get another owner when messages cannot be stored.
--
-- KEYS[1]  {cluster}:leader, see lead-cluster.lua
-- KEYS[2]  {cluster}:view, see register-member.lua
-- ARGV[1]  term
-- ARGV[2]  node
-- ARGV[3]  version of the view
-- ARGV[4]  view, JSON
--
-- Returns 1 when it is stored, 0 when another one leads or the stored version is not below.

local function put_view(keys, args)
  local leader = redis.call('HMGET', keys[1], 'term', 'node')
  if leader[1] ~= args[1] or leader[2] ~= args[2] then return 0 end
  local stored = redis.call('HGET', keys[2], 'version')
  if stored and tonumber(stored) >= tonumber(args[3]) then return 0 end
  redis.call('HSET', keys[2], 'version', args[3], 'view', args[4])
  return 1
end

redis.register_function{ function_name = LIBRARY .. '_put_view', callback = put_view, flags = { 'allow-oom' } }
