-- Holds a place in a window of failures, unless it is full or the address has to wait.
-- KEYS[1]  failures: a sorted set, member `<other>:<attempt>`, score when, microseconds since the epoch
-- KEYS[2]  held places: a sorted set, member and score the same
-- KEYS[3]  (accounts only) addresses that have logged in: a sorted set, member `<address>`, score when, microseconds
-- KEYS[4]  (accounts with waits only) of this address on this account: a hash, `failures`, when the `last` attempt was, and until when they count (`ends`), microseconds
-- ARGV[1]  now, microseconds since the epoch; empty for this server's clock
-- ARGV[2]  the other side: hash of the account, or of the address
-- ARGV[3]  id of the attempt
-- ARGV[4]  how long a known address stays known, microseconds
-- ARGV[5]  how long a place is held at most, microseconds
-- ARGV[6]  what to answer when only held places stand in the way, microseconds
-- ARGV[7]  how many failures make nobody wait
-- ARGV[8]  how long to wait after that one, microseconds; twice as long after each further one
-- ARGV[9]  how long to wait at most, microseconds
-- ARGV[10..] pairs: how many failures, in how many microseconds
-- Returns 0 when the place is held or none is needed, else after how many microseconds one is free.
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
end
local wait, is_waiting = 0, false
if KEYS[4] then
    local kept = redis.call('HMGET', KEYS[4], 'failures', 'last', 'ends')
    local failures, free = tonumber(kept[1] or 0), tonumber(ARGV[7])
    if failures >= math.max(1, free) and tonumber(kept[3]) > now then
        local pause = math.min(tonumber(ARGV[9]), ARGV[8] * 2 ^ math.min(failures - free, 40))
        wait = math.max(0, tonumber(kept[2]) + pause - now)
        is_waiting = pause > 0
    end
end
-- Of several attempts at once that have waited long enough, one goes on.
local function go_on()
    if is_waiting then
        redis.call('HSET', KEYS[4], 'last', string.format('%.0f', now))
    end
    return 0
end
if KEYS[3] then
    local seen = redis.call('ZSCORE', KEYS[3], ARGV[2])
    if seen and tonumber(seen) > now - tonumber(ARGV[4]) then
        return wait > 0 and math.ceil(wait) or go_on()
    end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - tonumber(ARGV[5])))
local held = redis.call('ZCARD', KEYS[2])
for i = 10, #ARGV, 2 do
    local amount, window = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    -- The newest but `amount`: there is a place once it has left the window.
    local blocking = redis.call('ZREVRANGE', KEYS[1], amount - 1, amount - 1, 'WITHSCORES')
    local begin = string.format('(%.0f', now - window)
    if blocking[2] and tonumber(blocking[2]) + window > now then
        wait = math.max(wait, tonumber(blocking[2]) + window - now)
    elseif redis.call('ZCOUNT', KEYS[1], begin, '+inf') + held >= amount then
        wait = math.max(wait, tonumber(ARGV[6]))
    end
end
if wait > 0 then
    return math.ceil(wait)
end
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[2] .. ':' .. ARGV[3])
redis.call('PEXPIRE', KEYS[2], math.ceil(ARGV[5] / 1000))
return go_on()
