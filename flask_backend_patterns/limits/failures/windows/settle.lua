-- Gives a place up, and keeps what became of the attempt.
-- KEYS     as in reserve.lua
-- ARGV[1]  now, microseconds since the epoch; empty for this server's clock
-- ARGV[2]  the other side: hash of the account, or of the address
-- ARGV[3]  id of the attempt
-- ARGV[4]  `failed`, `succeeded` or `none`
-- ARGV[5]  how long a failure matters, microseconds
-- ARGV[6]  how long a known address stays known, microseconds
-- ARGV[7]  how many addresses an account knows
-- Returns 1.
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
end
local member, moment = ARGV[2] .. ':' .. ARGV[3], string.format('%.0f', now)
local was_held = redis.call('ZREM', KEYS[2], member) == 1
if ARGV[4] == 'failed' then
    if was_held then
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - tonumber(ARGV[5])))
        redis.call('ZADD', KEYS[1], moment, member)
        redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[5] / 1000))
    end
    if KEYS[4] then -- a known address holds no place, and waits all the same
        if tonumber(redis.call('HGET', KEYS[4], 'ends') or 0) <= now then
            redis.call('DEL', KEYS[4])
        end
        redis.call('HINCRBY', KEYS[4], 'failures', 1)
        redis.call('HSET', KEYS[4], 'last', moment, 'ends', string.format('%.0f', now + tonumber(ARGV[5])))
        redis.call('PEXPIRE', KEYS[4], math.ceil(ARGV[5] / 1000))
    end
elseif ARGV[4] == 'succeeded' then
    for _, failure in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
        if string.sub(failure, 1, #ARGV[2] + 1) == ARGV[2] .. ':' then
            redis.call('ZREM', KEYS[1], failure)
        end
    end
    if KEYS[3] then
        redis.call('ZADD', KEYS[3], moment, ARGV[2])
        redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now - tonumber(ARGV[6])))
        redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[7]))
        redis.call('PEXPIRE', KEYS[3], math.ceil(ARGV[6] / 1000))
    end
    if KEYS[4] then
        redis.call('DEL', KEYS[4])
    end
end
return 1
