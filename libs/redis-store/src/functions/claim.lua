-- claim: makes the caller the one writer of a partition, and tells what the last owner left.
--
-- Writes the epoch and the token and nothing else: a claim that is not settled by a commit must leave the evidence of
-- a loss in place. Runs over maxmemory, too: ownership must go on when messages cannot.
--
-- KEYS[1]  {p17}:owner: a hash of
--            epoch     of the last claim
--            token     of the last claim, <epoch>:<uuid>
--            no, id    of the last commit
--            gen       the partition's generation
--            run       the Redis run and replication id when the last owner settled
--            level     the ack level it declared
--            clean     the version of the view that gave it to an owner which released after its last commit, else 0
--            diffused  followers of the changefeed have everything up to this commit
--            trimmed   no changefeed entry of a later commit was ever trimmed
--            recovering  the generation that has not asked yet for what the partition lost, 0 for none
-- ARGV[1]  the epoch to be above, beside the stored one
-- ARGV[2]  the new token's uuid
--
-- Returns { new epoch, '<run id>/<replication id>', epoch, no, id, gen, run, level, clean, diffused,
-- recovering, trimmed }, the last ten as they were found, false for one that was never written.

local function claim(keys, args)
  local found = redis.call('HMGET', keys[1], 'epoch', 'no', 'id', 'gen', 'run', 'level', 'clean', 'diffused', 'recovering',
    'trimmed')
  local stored = tonumber(found[1] or '0')
  local above = tonumber(args[1])
  if above > stored then stored = above end
  local epoch = string.format('%.0f', stored + 1)
  local server = redis.call('INFO', 'server')
  local replication = redis.call('INFO', 'replication')
  local run = string.match(server, 'run_id:(%w+)') .. '/' .. string.match(replication, 'master_replid:(%w+)')
  redis.call('HSET', keys[1], 'epoch', epoch, 'token', epoch .. ':' .. args[2])
  return { epoch, run, unpack(found, 1, 10) }
end

redis.register_function{ function_name = LIBRARY .. '_claim', callback = claim, flags = { 'allow-oom' } }
