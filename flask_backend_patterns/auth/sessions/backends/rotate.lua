-- Spends the live refresh token of a session and makes its successor the live one (RFC 9700, 4.14.2).
-- KEYS[1]  the session: a hash (see create.lua) with `token_id`, `seed`, and after the first rotation `spent_token_id`
--          and `rotated_at`
-- KEYS[2]  the user's sessions: sorted set of ids by last use
-- KEYS[3]  not before: microseconds
-- KEYS[4]  the latest time of issue: microseconds
-- ARGV[1]  now, microseconds, or empty for this server's clock
-- ARGV[2]  id of the session
-- ARGV[3]  prefix of the user's keys (all have the same hash tag)
-- ARGV[4]  id of the token that was sent
-- ARGV[5]  id of its successor, if there is to be one
-- ARGV[6]  seed of the successor
-- ARGV[7]  how long the session lasts unused, microseconds
-- ARGV[8]  how long it lasts at most, microseconds
-- ARGV[9]  grace, microseconds
-- ARGV[10] how long access tokens of an ended session are refused, microseconds
-- ARGV[11] how long the latest time of issue is kept, microseconds
-- ARGV[12] channel of invalidations, may be empty
-- ARGV[13] the device, JSON; empty to leave it as it is
-- Returns {"rotated" | "replayed", token id, seed, issued at, expires at}, {"reused"}, {"ended"} or
-- {"unknown"}, which alone writes nothing.
local session = redis.call('HMGET', KEYS[1], 'token_id', 'seed', 'created_at', 'issued_at', 'expires_at',
    'spent_token_id', 'rotated_at', 'kept_until')
local token_id, seed = session[1], session[2]
if not token_id then
    return {'unknown'}
end
local now = now_microseconds(ARGV[1])
local not_before = not_before_of(KEYS[3])
local issued_at, expires_at = tonumber(session[4]), tonumber(session[5])
if expires_at <= now or is_refused(issued_at, session[8], not_before) then
    invalidate(ARGV[12], finish(ARGV[3], ARGV[2], tonumber(ARGV[10])))
    return {'ended'}
end
if ARGV[4] == session[6] and math.abs(now - tonumber(session[7])) < tonumber(ARGV[9]) then
    return {'replayed', token_id, seed, text(issued_at), text(expires_at)}
end
if ARGV[4] ~= token_id then
    invalidate(ARGV[12], finish(ARGV[3], ARGV[2], tonumber(ARGV[10])))
    return {'reused'}
end

issued_at = issue_time(now, not_before, KEYS[4], tonumber(ARGV[11]))
expires_at = math.min(issued_at + tonumber(ARGV[7]), tonumber(session[3]) + tonumber(ARGV[8]))
redis.call('HSET', KEYS[1], 'token_id', ARGV[5], 'seed', ARGV[6], 'issued_at', text(issued_at),
    'last_used_at', text(now), 'expires_at', text(expires_at), 'spent_token_id', token_id, 'rotated_at', text(now))
if ARGV[13] ~= '' then
    redis.call('HSET', KEYS[1], 'device', ARGV[13])
end
expire(KEYS[1], expires_at - now)
redis.call('ZADD', KEYS[2], text(now), ARGV[2])
expire(KEYS[2], tonumber(ARGV[8]))
return {'rotated', ARGV[5], ARGV[6], text(issued_at), text(expires_at)}
