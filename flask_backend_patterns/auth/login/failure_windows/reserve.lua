-- Holds a place in a window of failures, unless it is full.
-- KEYS[1]  failures: a sorted set, member `<other>:<attempt>`, score when, microseconds since the epoch
-- KEYS[2]  held places: a sorted set, member and score the same
-- KEYS[3]  (accounts only) addresses that have logged in: a sorted set, member `<address>`, score when, microseconds
-- ARGV[1]  now, microseconds since the epoch; empty for this server's clock
-- ARGV[2]  the other side: hash of the account, or of the address
-- ARGV[3]  id of the attempt
-- ARGV[4]  how long a known address stays known, microseconds
-- ARGV[5]  how long a place is held at most, microseconds
-- ARGV[6]  what to answer when only held places stand in the way, microseconds
-- ARGV[7..] pairs: how many failures, in how many microseconds
-- Returns 0 when the place is held or none is needed, else after how many microseconds one is free.
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
end
if KEYS[3] then
    local seen = redis.call('ZSCORE', KEYS[3], ARGV[2])
    if seen and tonumber(seen) > now - tonumber(ARGV[4]) then
        return 0
    end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - tonumber(ARGV[5])))
local held = redis.call('ZCARD', KEYS[2])
local wait, is_busy = 0, false
for i = 7, #ARGV, 2 do
    local amount, window = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    -- The newest but `amount`: there is a place once it has left the window.
    local blocking = redis.call('ZREVRANGE', KEYS[1], amount - 1, amount - 1, 'WITHSCORES')
    if blocking[2] then
        wait = math.max(wait, tonumber(blocking[2]) + window - now)
    end
    local begin = string.format('(%.0f', now - window)
    if redis.call('ZCOUNT', KEYS[1], begin, '+inf') + held >= amount then
        is_busy = true
    end
end
if wait > 0 then
    return wait
end
if is_busy then
    return tonumber(ARGV[6])
end
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[2] .. ':' .. ARGV[3])
redis.call('PEXPIRE', KEYS[2], math.ceil(ARGV[5] / 1000))
return 0
