-- commit: makes the batches of one or more partitions durable, each as a whole or not at all (I2).
--
-- KEYS[i]  {p17}:owner of the i-th commit's partition
-- ARGV[1]  the commits, packed: an array of
--            { token, no - 1, no, id, writes, feed key, feed entry, feed MINID, dead key, dead letters, owner fields }
--          with a write per actor:
--            { hash key, expected position, HSET arguments.., HDEL arguments.., stream key, ids and entries.., trim }
--          Arguments of HSET and HDEL are lists of at most 4,000 values each, key first, ready to be unpacked (unpack
--          fails near 8,000). `false` stands for none. A trim is 'DEL' or a MINID. Every number is a decimal string,
--          made outside: Lua loses integers past 2^53 and prints 1e15 as "1e+15".
--
-- Returns one text per commit:
--   OK                  it is in
--   DUP                 it was in already, nothing changed: same number, same id
--   FENCED <epoch>      another token holds the partition, nothing changed
--   REGRESSED <no>      the store is behind the previous commit, nothing changed
--   CONFLICT <what>     the store is ahead, or an actor is not where the commit expects it, nothing changed
--   ERR <message>       Redis refused one command of the commit; it may be in half, the others are not concerned
--
-- A function is not rolled back, so each commit is checked whole before its first write. What the check cannot see is
-- a key of another type, put there by a stranger: that is the ERR. A stream cannot be ahead of its head (XADD would
-- refuse the id): both are written by this function alone, Redis appends a function's writes to its log as one
-- transaction, and loads or replicates such a transaction whole or not at all. The owner fields are written last, so
-- that a commit that is in half never looks as if it were in.

-- Whether one decimal number without leading zeros is less than another one.
local function less(left, right)
  if #left ~= #right then return #left < #right end
  return left < right
end

-- Whether a stored head stands at the expected position: the position may be followed by `@first` and `;span`s only.
local function stands_at(head, expected)
  if head == expected then return true end
  if not head then return expected == '0-0' end
  local length = #expected
  if string.sub(head, 1, length) ~= expected then return false end
  local after = string.byte(head, length + 1)
  return after == 64 or after == 59
end

local function commit_one(owner_key, commit)
  local call, unpack = redis.call, unpack
  local owner = call('HMGET', owner_key, 'token', 'no', 'id', 'epoch')
  if owner[1] ~= commit[1] then return 'FENCED ' .. (owner[4] or '0') end
  local stored_no = owner[2] or '0'
  if stored_no ~= commit[2] then
    if stored_no == commit[3] then
      if owner[3] == commit[4] then return 'DUP' end
      return 'CONFLICT commit ' .. stored_no .. ' is in with another id'
    end
    if less(stored_no, commit[2]) then return 'REGRESSED ' .. stored_no end
    return 'CONFLICT the store is at commit ' .. stored_no
  end
  local writes = commit[5]
  for i = 1, #writes do
    local write = writes[i]
    local head = call('HGET', write[1], 'h')
    if not stands_at(head, write[2]) then
      return 'CONFLICT ' .. write[1] .. ' stands at ' .. (head or '0-0') .. ', not at ' .. write[2]
    end
  end

  for i = 1, #writes do
    local write = writes[i]
    local sets = write[3]
    for j = 1, #sets do call('HSET', unpack(sets[j])) end
    local unsets = write[4]
    if unsets then
      for j = 1, #unsets do call('HDEL', unpack(unsets[j])) end
    end
    local entries = write[6]
    if entries then
      local stream = write[5]
      for j = 1, #entries, 2 do call('XADD', stream, entries[j], 'e', entries[j + 1]) end
    end
    local trim = write[7]
    if trim then
      if trim == 'DEL' then
        call('UNLINK', write[5])
      else
        call('XTRIM', write[5], 'MINID', '=', trim)
      end
    end
  end
  if commit[7] then call('XADD', commit[6], commit[3] .. '-1', 'e', commit[7]) end
  if commit[8] then call('XTRIM', commit[6], 'MINID', '=', commit[8]) end
  local dead = commit[10]
  if dead then
    for i = 1, #dead do call('XADD', commit[9], 'MAXLEN', '~', '1000', '*', 'e', dead[i]) end
  end
  call('HSET', unpack(commit[11]))
  return 'OK'
end

local function commit(keys, args)
  local commits = cmsgpack.unpack(args[1])
  local answers = {}
  for i = 1, #commits do
    local ran, answer = pcall(commit_one, keys[i], commits[i])
    if not ran then
      if type(answer) == 'table' then answer = answer.err end
      answer = 'ERR ' .. tostring(answer)
    end
    answers[i] = answer
  end
  return answers
end

redis.register_function(LIBRARY .. '_commit', commit)
