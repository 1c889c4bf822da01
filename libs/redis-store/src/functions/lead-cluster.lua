-- lead_cluster: takes or renews the coordinator's lease on the clock of Redis (I10), removes the registrations that ran
-- out, and tells who lives. Runs over maxmemory, too.
--
-- KEYS[1]  {cluster}:members, see register-member.lua
-- KEYS[2]  {cluster}:left, likewise
-- KEYS[3]  {cluster}:leader: a hash of
--            name, node  the member that leads, and its run
--            until       when its lease ends, ms since 1970 on this Redis
--            term        rises whenever another run becomes the leader
-- KEYS[4]  {cluster}:view, see register-member.lua
-- ARGV[1]  name
-- ARGV[2]  node
-- ARGV[3]  duration, ms
--
-- Returns
--   { 'leading', term, view or false, and for each that lives: member, remaining ms, known, settled, digest }
--   { 'following', name of the leader, remaining ms }: its lease and its registration both hold
--   { 'unregistered' }: the caller's registration does not hold, so that it may not lead

local function lead_cluster(keys, args)
  local name, node = args[1], args[2]
  local now = now_ms()
  local all = redis.call('HGETALL', keys[1])
  local runs, ends, gone, living = {}, {}, {}, {}
  for i = 1, #all, 2 do
    local run, ends_at, known, settled, digest, member =
      string.match(all[i + 1], '^(%S+) (%d+) (%d+) (%d+) (%S+) (.*)$')
    local remaining = tonumber(ends_at) - now
    if remaining > 0 then
      runs[all[i]], ends[all[i]] = run, tonumber(ends_at)
      for _, value in ipairs({ member, whole(remaining), known, settled, digest }) do living[#living + 1] = value end
    else
      gone[#gone + 1] = { all[i], run }
    end
  end
  if runs[name] ~= node then return { 'unregistered' } end
  local leader = redis.call('HMGET', keys[3], 'name', 'node', 'until', 'term')
  local term = tonumber(leader[4] or '0')
  if leader[2] ~= node then
    if leader[2] and runs[leader[1]] == leader[2] then
      local remaining = math.min(tonumber(leader[3]), ends[leader[1]]) - now
      if remaining > 0 then return { 'following', leader[1], whole(remaining) } end
    end
    term = term + 1
  end
  local until_ms = whole(now + tonumber(args[3]))
  redis.call('HSET', keys[3], 'name', name, 'node', node, 'until', until_ms, 'term', whole(term))
  for i = 1, #gone do
    redis.call('HDEL', keys[1], gone[i][1])
    remember(keys[2], gone[i][1], now, gone[i][2])
  end
  local answer = { 'leading', whole(term), redis.call('HGET', keys[4], 'view') }
  for i = 1, #living do answer[3 + i] = living[i] end
  return answer
end

redis.register_function{ function_name = LIBRARY .. '_lead_cluster', callback = lead_cluster, flags = { 'allow-oom' } }
