-- hold_node_stream: what the reader of a node's stream says from time to time: it lives, and has taken everything up to
-- a place. Trims up to there and puts the expiry off. Runs over maxmemory, too: trimming makes room.
--
-- KEYS[1]  {n:<node>}:in, see functions/open-node-stream.lua
-- KEYS[2]  {n:<node>}:open
-- ARGV[1]  run
-- ARGV[2]  the last id that was taken, <ms>-<n>, in its two halves:
-- ARGV[3]
-- ARGV[4]  the id behind it, for MINID
-- ARGV[5]  the name of that entry's field: the bytes that were added up to its end
-- ARGV[6]  expiry, ms
--
-- Returns 'held', or 'lost' and nothing changed: the stream is not there, another run's, or behind what was taken.

local function hold_node_stream(keys, args)
  local call = redis.call
  local held = call('HMGET', keys[2], 'run', 'added')
  if held[1] ~= args[1] or call('EXISTS', keys[1]) == 0 then return 'lost' end
  local info = call('XINFO', 'STREAM', keys[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      local first, second = string.match(info[i + 1], '^(%d+)-(%d+)$')
      first, second = tonumber(first), tonumber(second)
      local taken_first = tonumber(args[2])
      if first < taken_first or first == taken_first and second < tonumber(args[3]) then return 'lost' end
    end
  end
  call('XTRIM', keys[1], 'MINID', '=', args[4])
  -- A store that went back has counted less than the reader has seen. What waits must not come out below nothing.
  local taken = math.min(tonumber(args[5]), tonumber(held[2]))
  call('HSET', keys[2], 'taken', string.format('%.0f', taken))
  call('PEXPIRE', keys[1], args[6])
  call('PEXPIRE', keys[2], args[6])
  return 'held'
end

redis.register_function{
  function_name = LIBRARY .. '_hold_node_stream', callback = hold_node_stream, flags = { 'allow-oom' }
}
