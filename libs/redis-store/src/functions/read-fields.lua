-- read_fields: reads fields of one or more records into one text, so that whoever asked need not take hundreds of replies
-- apart. Changes nothing, and runs over maxmemory.
--
-- KEYS[1]  {p17}:a:c:<id>, the first record: where it is, all are
-- ARGV[1]  what is wanted, packed: one flat list; of each record its key, the number of fields, and their names
--
-- Returns the values, packed: one flat list; of each record the number of those that are there, then of each its place
-- among the names, from 1, and the value; or only why it cannot be read, which is no matter of the others.

local function read_fields(keys, args)
  local call = redis.pcall
  local wanted = cmsgpack.unpack(args[1])
  local out, length, at = {}, 0, 1
  while at <= #wanted do
    local key, count = wanted[at], wanted[at + 1]
    local values = call('HMGET', key, unpack(wanted, at + 2, at + 1 + count))
    at = at + 2 + count
    length = length + 1
    if values.err then
      out[length] = values.err
    else
      local count_at, found = length, 0
      for place = 1, count do
        local value = values[place]
        if value then
          out[length + 1] = place
          out[length + 2] = value
          length = length + 2
          found = found + 1
        end
      end
      out[count_at] = found
    end
  end
  return cmsgpack.pack(out)
end

redis.register_function{ function_name = LIBRARY .. '_read_fields', callback = read_fields, flags = { 'no-writes' } }
