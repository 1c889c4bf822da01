-- release: marks that the owner stopped after its last commit, so that a restart of Redis since then lost nothing that
-- anyone waits for. The token stays: the next owner claims above it. A later commit takes the mark away.
--
-- KEYS[1]  {p17}:owner
-- ARGV[1]  the token
--
-- Returns 1 when the token still holds, else 0.

local function release(keys, args)
  if redis.call('HGET', keys[1], 'token') ~= args[1] then return 0 end
  redis.call('HSET', keys[1], 'clean', '1')
  return 1
end

redis.register_function{ function_name = LIBRARY .. '_release', callback = release, flags = { 'allow-oom' } }
