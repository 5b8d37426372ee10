-- Stores the result of the attempt that holds the key.
-- KEYS[1]  the record (see claim.lua)
-- ARGV[1]  token of the attempt
-- ARGV[2]  result
-- ARGV[3]  life of the result, milliseconds
-- Returns 1, or 0 when the attempt no longer holds the key.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
    return 0
end
redis.call('HDEL', KEYS[1], 'token')
redis.call('HSET', KEYS[1], 'result', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
