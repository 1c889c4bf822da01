-- add_to_node_stream: adds entries to a node's stream, as many as its bounds admit, and drops none to make room.
--
-- Runs over maxmemory, too: what waits is bounded by the check below, and without it nodes could not even tell each
-- other that the store is full.
--
-- KEYS[1]  {n:<node>}:in, see functions/open-node-stream.lua
-- KEYS[2]  {n:<node>}:open
-- ARGV     the entries
--
-- Returns how many of them were added, from the first on: those behind them met a full stream. -1 when the stream does
-- not exist.

local function add_to_node_stream(keys, args)
  local call = redis.call
  local held = call('HMGET', keys[2], 'entries', 'bytes', 'added', 'taken')
  if not held[1] or call('EXISTS', keys[1]) == 0 then return -1 end
  local entries_max, bytes_max = tonumber(held[1]), tonumber(held[2])
  local added, taken = tonumber(held[3]), tonumber(held[4])
  local waiting = call('XLEN', keys[1])
  local count = 0
  for i = 1, #args do
    if waiting >= entries_max or added - taken >= bytes_max then break end
    added = added + #args[i]
    call('XADD', keys[1], 'NOMKSTREAM', '*', string.format('%.0f', added), args[i])
    waiting = waiting + 1
    count = count + 1
  end
  if count > 0 then call('HSET', keys[2], 'added', string.format('%.0f', added)) end
  return count
end

redis.register_function{
  function_name = LIBRARY .. '_add_to_node_stream', callback = add_to_node_stream, flags = { 'allow-oom' }
}
