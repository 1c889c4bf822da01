-- release_lease: gives a lease back, if it is still the caller's.
--
-- KEYS[1]  {leases}:<name>
-- ARGV[1]  holder
--
-- Returns 1 when it was given back, else 0.

local function release_lease(keys, args)
  if redis.call('HGET', keys[1], 'holder') ~= args[1] then return 0 end
  return redis.call('DEL', keys[1])
end

redis.register_function{ function_name = LIBRARY .. '_release_lease', callback = release_lease, flags = { 'allow-oom' } }
