-- read_ranges: reads ranges of one or more Timelines into one text, so that whoever asked need not take thousands of
-- replies apart. Changes nothing, and runs over maxmemory.
--
-- KEYS[1]  {p17}:t:c:<id>, the Timeline of the first range: where it is, all are
-- ARGV[1]  the ranges, packed: one flat list; of each range
--            the key of the stream, or of the text of a short Timeline
--            the ids where it begins and ends, in the direction of reading
--            how many entries at most
--            the command: XRANGE, or XREVRANGE to read backward
--            which of the budgets it draws on, from 1
--            1 if it begins where a short Timeline may have entries, else 0
-- ARGV[2]  the budgets, packed: one list, each a decimal number of bytes of data. Behind the entry that spends its budget
--          a range ends, and those that come after it on the same budget are empty.
--
-- Returns the entries, packed: one flat list; of each range the number of its entries, then of each its id and data, or
-- only why it cannot be read, which is no matter of the others.

-- How large entries are is known from the first few.
local PROBE = 8

-- What XRANGE or XREVRANGE would answer if the short Timeline of that key were a stream; nil if it is one.
local function short_range(command, key, first, last, limit)
  local text = short_timeline(key)
  if not text then return nil end
  local forward = command == 'XRANGE'
  local entries = short_entries(text, forward and first or last, forward and last or first)
  local answer = {}
  for i = 1, math.min(limit, #entries) do
    answer[i] = entries[forward and i or #entries + 1 - i]
  end
  return answer
end

local function read_ranges(keys, args)
  local call = redis.pcall
  local ranges = cmsgpack.unpack(args[1])
  local budgets = cmsgpack.unpack(args[2])
  local left, read, bytes = {}, {}, {}
  for i = 1, #budgets do
    left[i], read[i], bytes[i] = tonumber(budgets[i]), 0, 0
  end
  local out, length = {}, 0
  for at = 1, #ranges, 7 do
    local key, first, last, limit, command, budget, may_be_short = unpack(ranges, at, at + 6)
    local short = may_be_short == 1
    length = length + 1
    local count_at, count = length, 0
    while count < limit and left[budget] > 0 do
      local some = limit - count
      if read[budget] == 0 then
        some = math.min(some, PROBE)
      elseif bytes[budget] > 0 then
        some = math.min(some, math.ceil(left[budget] * read[budget] / bytes[budget]))
      end
      local entries = short and short_range(command, key, first, last, some)
      if not entries then
        short = false
        entries = call(command, key, first, last, 'COUNT', some)
        -- Nobody looks behind the end of a short one, as a rule.
        if entries.err then entries = short_range(command, key, first, last, some) or entries end
      end
      if entries.err then
        count, length = entries.err, count_at
        break
      end
      local found, sum, room = #entries, 0, left[budget]
      for i = 1, found do
        local entry = entries[i]
        local data = entry[2][2]
        out[length + 1] = entry[1]
        out[length + 2] = data
        length = length + 2
        count = count + 1
        sum = sum + #data
        if sum >= room then break end
      end
      left[budget] = room - sum
      bytes[budget] = bytes[budget] + sum
      read[budget] = read[budget] + found
      if found < some then break end
      first = '(' .. entries[found][1]
    end
    out[count_at] = count
  end
  return cmsgpack.pack(out)
end

redis.register_function{ function_name = LIBRARY .. '_read_ranges', callback = read_ranges, flags = { 'no-writes' } }
