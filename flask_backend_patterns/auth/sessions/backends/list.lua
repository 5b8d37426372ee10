-- Lists the sessions of a user that are not over; forgets the others.
-- KEYS[1]  the user's sessions: sorted set of ids by last use
-- KEYS[2]  not before: microseconds
-- ARGV[1]  now, microseconds, or empty for this server's clock
-- ARGV[2]  prefix of the user's keys (all have the same hash tag)
-- Returns {id, kind, created at, last used at, expires at, device as JSON} for each, the one used last first.
local now = now_microseconds(ARGV[1])
local not_before = not_before_of(KEYS[2])
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, -1)) do
    local session = redis.call('HMGET', ARGV[2] .. 'session:' .. id, 'kind', 'created_at', 'last_used_at', 'expires_at',
        'device', 'issued_at', 'kept_until')
    if session[1] and tonumber(session[4]) > now and not is_refused(tonumber(session[6]), session[7], not_before) then
        found[#found + 1] = {id, session[1], session[2], session[3], session[4], session[5]}
    else
        redis.call('ZREM', KEYS[1], id)
    end
end
return found
