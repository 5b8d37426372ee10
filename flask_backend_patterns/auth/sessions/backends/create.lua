-- Begins a session; the user's session that was unused for longest ends when there are too many.
-- KEYS[1]  the session: a hash (fields below)
-- KEYS[2]  the user's sessions: sorted set of ids by last use
-- KEYS[3]  not before: microseconds
-- KEYS[4]  the latest time of issue: microseconds
-- ARGV[1]  now, microseconds, or empty for this server's clock
-- ARGV[2]  id of the session
-- ARGV[3]  prefix of the user's keys (all have the same hash tag)
-- ARGV[4]  how long the session lasts unused, microseconds
-- ARGV[5]  how long it lasts at most, microseconds
-- ARGV[6]  how many sessions a user may have
-- ARGV[7]  how long access tokens of an ended session are refused, microseconds
-- ARGV[8]  how long the latest time of issue is kept, microseconds
-- ARGV[9]  channel of invalidations, may be empty
-- ARGV[10...]  further fields and values of the session
-- Returns {issued at, expires at, ids of the sessions that ended...}.
local now = now_microseconds(ARGV[1])
local issued_at = issue_time(now, not_before_of(KEYS[3]), KEYS[4], tonumber(ARGV[8]))
local life = math.min(tonumber(ARGV[4]), tonumber(ARGV[5]))
local expires_at = issued_at + life
redis.call('HSET', KEYS[1], 'created_at', text(issued_at), 'issued_at', text(issued_at),
    'last_used_at', text(issued_at), 'expires_at', text(expires_at), unpack(ARGV, 10))
expire(KEYS[1], life)

local ended, answer = {}, {text(issued_at), text(expires_at)}
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[6]) then
    for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
        local other_expires_at = tonumber(redis.call('HGET', ARGV[3] .. 'session:' .. id, 'expires_at') or 0)
        if other_expires_at <= now then
            redis.call('ZREM', KEYS[2], id)
        end
    end
    local excess = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[6]) + 1
    if excess > 0 then
        for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, excess - 1)) do
            answer[#answer + 1] = id
            for _, key in ipairs(finish(ARGV[3], id, tonumber(ARGV[7]))) do
                ended[#ended + 1] = key
            end
        end
    end
end
redis.call('ZADD', KEYS[2], text(issued_at), ARGV[2])
expire(KEYS[2], tonumber(ARGV[5]))
invalidate(ARGV[9], ended)
return answer
