-- commit: makes the batches of one or more partitions durable, each as a whole or not at all (I2).
--
-- KEYS[1]  {p17}:owner of the first commit's partition. In a Cluster the other partitions have slots of their own, and a call is
--          let in by one of them: whether this master has those of the others Redis sees at each command (allow-cross-slot-keys).
-- ARGV[1]  the commits, packed: an array of
--            { token, no - 1, no, id, checks, body, feed key, feed entry, feed MINID, dead key, dead letters, owner key
--            and fields }
--          checks: for each actor its hash key and the expected position, in one flat list
--          body: for each actor, in the same order and one flat list, for a table an actor costs more than its writes:
--            a number of lists, and each as its length and the arguments of an HSET
--            a number of lists, and each as its length and the arguments of an HDEL
--            a number of entries, the Timeline's key, short: the bytes up to which it may be a text, then each entry as
--            its id and its data. `false` for short: it is a stream. 0: it is to be one from now on.
--            trim: 'DEL' or a MINID
--          Lists are of at most 4,000 values (unpack fails near 8,000). `false` stands for none. Every number but the
--          lengths is a decimal string, made outside: Lua loses integers past 2^53 and prints 1e15 as "1e+15".
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
-- a key of another type, put there by a stranger: that is an ERR, and so is a partition whose slot is another master's now,
-- of which nothing was changed. A stream cannot be ahead of its head (XADD would
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

-- Appends entries to a Timeline that may be short, and makes a stream of it when it gets too long for a text.
local function append_short(key, body, at, entries, bytes_max)
  local text = short_timeline(key)
  local bytes = text and #text or 0
  for i = 1, entries do bytes = bytes + #body[at + 2 * i - 1] end
  if bytes_max > 0 and bytes <= bytes_max and (text or redis.call('EXISTS', key) == 0) then
    local packed = { text or '' }
    for i = 1, entries do
      packed[i + 1] = cmsgpack.pack(body[at + 2 * i - 2], body[at + 2 * i - 1])
    end
    local longer = table.concat(packed)
    if #longer <= bytes_max then
      redis.call('SET', key, longer)
      return
    end
  end
  if text then
    redis.call('DEL', key)
    local values = { cmsgpack.unpack(text) }
    for i = 1, #values, 2 do redis.call('XADD', key, values[i], 'e', values[i + 1]) end
  end
  for i = 0, entries - 1 do redis.call('XADD', key, body[at + 2 * i], 'e', body[at + 2 * i + 1]) end
end

-- Takes what is before an id from a Timeline that may be short.
local function trim_short(key, before)
  local text = short_timeline(key)
  if not text then
    redis.call('XTRIM', key, 'MINID', '=', before)
    return
  end
  local packed = {}
  for _, entry in ipairs(short_entries(text, before, '9007199254740991-9007199254740991')) do
    packed[#packed + 1] = cmsgpack.pack(entry[1], entry[2][2])
  end
  if #packed == 0 then redis.call('DEL', key) else redis.call('SET', key, table.concat(packed)) end
end

local function commit_one(commit)
  local call, unpack = redis.call, unpack
  local owner = call('HMGET', commit[12][1], 'token', 'no', 'id', 'epoch')
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
  local checks = commit[5]
  for i = 1, #checks, 2 do
    local head = call('HGET', checks[i], 'h')
    if not stands_at(head, checks[i + 1]) then
      return 'CONFLICT ' .. checks[i] .. ' stands at ' .. (head or '0-0') .. ', not at ' .. checks[i + 1]
    end
  end

  local body = commit[6]
  local at = 1
  for i = 1, #checks, 2 do
    local key = checks[i]
    local lists = body[at]
    at = at + 1
    for _ = 1, lists do
      local last = at + body[at]
      call('HSET', key, unpack(body, at + 1, last))
      at = last + 1
    end
    lists = body[at]
    at = at + 1
    for _ = 1, lists do
      local last = at + body[at]
      call('HDEL', key, unpack(body, at + 1, last))
      at = last + 1
    end
    local entries = body[at]
    local timeline, short = body[at + 1], body[at + 2]
    at = at + 3
    if short and (entries > 0 or short == 0) then
      append_short(timeline, body, at, entries, short)
      at = at + 2 * entries
    else
      for _ = 1, entries do
        call('XADD', timeline, body[at], 'e', body[at + 1])
        at = at + 2
      end
    end
    local trim = body[at]
    at = at + 1
    if trim == 'DEL' then
      call('UNLINK', timeline)
    elseif trim and short then
      trim_short(timeline, trim)
    elseif trim then
      call('XTRIM', timeline, 'MINID', '=', trim)
    end
  end
  if commit[8] then call('XADD', commit[7], commit[3] .. '-1', 'e', commit[8]) end
  if commit[9] then call('XTRIM', commit[7], 'MINID', '=', commit[9]) end
  local dead = commit[11]
  if dead then
    for i = 1, #dead do call('XADD', commit[10], 'MAXLEN', '~', '1000', '*', 'e', dead[i]) end
  end
  call('HSET', unpack(commit[12]))
  return 'OK'
end

local function commit(_, args)
  local commits = cmsgpack.unpack(args[1])
  local answers = {}
  for i = 1, #commits do
    local ran, answer = pcall(commit_one, commits[i])
    if not ran then
      if type(answer) == 'table' then answer = answer.err end
      answer = 'ERR ' .. tostring(answer)
    end
    answers[i] = answer
  end
  return answers
end

redis.register_function{ function_name = LIBRARY .. '_commit', callback = commit, flags = { 'allow-cross-slot-keys' } }

-- commit_freeing: the same of commits that make room, also over maxmemory: what has left for an archive could not be let
-- go of otherwise.
redis.register_function{
  function_name = LIBRARY .. '_commit_freeing', callback = commit, flags = { 'allow-oom', 'allow-cross-slot-keys' }
}
