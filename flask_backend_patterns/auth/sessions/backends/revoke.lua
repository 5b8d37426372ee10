-- Ends a session; its access tokens are refused in every process. May be done again.
-- KEYS[1]  the session: a hash
-- ARGV[1]  id of the session
-- ARGV[2]  prefix of the user's keys (all have the same hash tag)
-- ARGV[3]  how long access tokens are refused, microseconds
-- ARGV[4]  channel of invalidations, may be empty
-- ARGV[5]  "1" to write nothing when the session does not exist
-- ARGV[6]  hash of the secret that the session has to have, empty for any
-- Returns 1 when the session existed.
local existed = redis.call('EXISTS', KEYS[1])
if existed == 0 and ARGV[5] == '1' then
    return 0
end
if ARGV[6] ~= '' and redis.call('HGET', KEYS[1], 'secret_hash') ~= ARGV[6] then
    return 0
end
invalidate(ARGV[4], finish(ARGV[2], ARGV[1], tonumber(ARGV[3])))
return existed
