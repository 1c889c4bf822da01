-- register_member: takes or renews a node's registration on the clock of Redis (I10). Runs over maxmemory, too.
--
-- KEYS[1]  {cluster}:members: a hash, by name: '<node> <until> <known> <settled> <digest> <member>'
--            node     one run of the member
--            until    when the registration ends, ms since 1970 on this Redis
--            known    the newest view that the member has, by version
--            settled  the newest one that it has carried out
--            digest   of the view that it has, no blanks
--            member   what it says of itself, JSON
-- KEYS[2]  {cluster}:left: a hash, by name: '<when, ms since 1970> <node>', the last run of a member without registration
-- KEYS[3]  {cluster}:replaced: a hash, by node: '<when, ms since 1970> <the node that replaced it>'
-- KEYS[4]  {cluster}:view: a hash of
--            version  of the view
--            view     JSON
-- ARGV[1]  name
-- ARGV[2]  node: another run than the last one replaces that at once, and for ever
-- ARGV[3]  duration, ms
-- ARGV[4]  known
-- ARGV[5]  settled
-- ARGV[6]  digest
-- ARGV[7]  member
--
-- Returns { 'held', view }, view being false unless its version is above the known one, or { 'replaced', by }.

local function register_member(keys, args)
  local name, node = args[1], args[2]
  local by = remembered(keys[3], node)
  if by then return { 'replaced', by } end
  local now = now_ms()
  local present = redis.call('HGET', keys[1], name)
  local last = present and run_of(present) or remembered(keys[2], name)
  if last and last ~= node then remember(keys[3], last, now, node) end
  redis.call('HDEL', keys[2], name)
  local ends = whole(now + tonumber(args[3]))
  redis.call('HSET', keys[1], name, table.concat({ node, ends, args[4], args[5], args[6], args[7] }, ' '))
  local view = redis.call('HMGET', keys[4], 'version', 'view')
  if view[1] and tonumber(view[1]) > tonumber(args[4]) then return { 'held', view[2] } end
  return { 'held', false }
end

redis.register_function{ function_name = LIBRARY .. '_register_member', callback = register_member, flags = { 'allow-oom' } }
