-- release: marks that the owner stopped after its last commit, so that a restart of Redis since then lost nothing that
-- anyone waits for. The token stays: the next owner claims above it. A later commit takes the mark away.
--
-- KEYS[1]  {p17}:owner
-- ARGV[1]  the token
-- ARGV[2]  the number of the owner's last commit: a store that lost its end meanwhile is not marked
-- ARGV[3]  the version of the view that gave it the partition
--
-- Returns 1 when the token still holds and the store stands at that commit, else 0.

local function release(keys, args)
  local owner = redis.call('HMGET', keys[1], 'token', 'no')
  if owner[1] ~= args[1] or (owner[2] or '0') ~= args[2] then return 0 end
  redis.call('HSET', keys[1], 'clean', args[3])
  return 1
end

redis.register_function{ function_name = LIBRARY .. '_release', callback = release, flags = { 'allow-oom' } }
