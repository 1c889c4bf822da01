-- open_node_stream: creates the stream of one run of a node, empty whatever there was. Runs over maxmemory, too.
--
-- A stream exists as a key while it has no entries, so the key itself says that the node can be reached. The first id,
-- 0-1, is below every later one: they are made from the clock.
--
-- KEYS[1]  {n:<node>}:in: the stream; an entry has one field, named by the bytes that were added up to its end
-- KEYS[2]  {n:<node>}:open: a hash of
--            run      who opened it
--            entries  how many may wait for the reader
--            bytes    how many bytes may wait, the entry that crosses it excepted
--            added    bytes added since it was opened
--            taken    bytes of these that the reader is known to have taken
-- ARGV[1]  run
-- ARGV[2]  entries
-- ARGV[3]  bytes
-- ARGV[4]  expiry, ms
--
-- Returns 'open'.

local function open_node_stream(keys, args)
  redis.call('DEL', keys[1], keys[2])
  redis.call('XADD', keys[1], '0-1', '0', '')
  redis.call('XDEL', keys[1], '0-1')
  redis.call('HSET', keys[2], 'run', args[1], 'entries', args[2], 'bytes', args[3], 'added', '0', 'taken', '0')
  redis.call('PEXPIRE', keys[1], args[4])
  redis.call('PEXPIRE', keys[2], args[4])
  return 'open'
end

redis.register_function{
  function_name = LIBRARY .. '_open_node_stream', callback = open_node_stream, flags = { 'allow-oom' }
}
