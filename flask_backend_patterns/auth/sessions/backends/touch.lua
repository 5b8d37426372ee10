-- Reads a cookie session and notes that it is used, at most once in an interval.
-- KEYS[1]  the session: a hash (see create.lua) with `secret_hash` and `roles`
-- KEYS[2]  the user's sessions: sorted set of ids by last use
-- KEYS[3]  not before: microseconds
-- ARGV[1]  now, microseconds, or empty for this server's clock
-- ARGV[2]  id of the session
-- ARGV[3]  hash of the secret in the cookie
-- ARGV[4]  how long the session lasts unused, microseconds
-- ARGV[5]  how long it lasts at most, microseconds
-- ARGV[6]  the interval, microseconds
-- Returns {subject, roles as JSON, created at, microseconds that it still lasts}, or {} when the cookie does not count.
local session = redis.call('HMGET', KEYS[1], 'secret_hash', 'subject', 'roles', 'created_at', 'last_used_at',
    'expires_at', 'kept_until')
local now = now_microseconds(ARGV[1])
-- What is compared are hashes: the time that it takes tells nothing of the secret.
if not session[1] or session[1] ~= ARGV[3] then
    return {}
end
local created_at, expires_at = tonumber(session[4]), tonumber(session[6])
if expires_at <= now or is_refused(created_at, session[7], not_before_of(KEYS[3])) then
    return {}
end
if now - tonumber(session[5]) >= tonumber(ARGV[6]) then
    expires_at = math.min(now + tonumber(ARGV[4]), created_at + tonumber(ARGV[5]))
    redis.call('HSET', KEYS[1], 'last_used_at', text(now), 'expires_at', text(expires_at))
    expire(KEYS[1], expires_at - now)
    redis.call('ZADD', KEYS[2], text(now), ARGV[2])
    expire(KEYS[2], tonumber(ARGV[5]))
end
return {session[2], session[3], text(created_at), text(expires_at - now)}
