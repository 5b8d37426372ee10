-- Put before every script of this folder. Times are whole microseconds since the epoch, as text without exponent.

-- `given` is the time that a test has set; otherwise it is the clock of this server that counts.
local function now_microseconds(given)
    if given ~= '' then
        return tonumber(given)
    end
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function text(number)
    return string.format('%.0f', number)
end

local function expire(key, microseconds)
    redis.call('PEXPIRE', key, text(math.max(1, math.ceil(microseconds / 1000))))
end

-- The time until which the user's tokens are refused; 0 for never.
local function not_before_of(key)
    return tonumber(redis.call('GET', key) or 0)
end

-- A time of issue that is later than the last "log out everywhere", even in the same microsecond or after the clock
-- was set back; the latest one is kept, so that the next "log out everywhere" is not earlier.
local function issue_time(now, not_before, issued_key, life)
    local issue = math.max(now, not_before + 1)
    local latest = math.max(issue, tonumber(redis.call('GET', issued_key) or 0))
    redis.call('SET', issued_key, text(latest), 'PX', text(math.ceil(life / 1000)))
    return issue
end

-- What is kept of a session beside itself: that it has ended, which is later than any time; or the time of a "log out
-- everywhere else" that it was kept by: its tokens of before count on.
local ENDED = '9007199254740991'

-- Whether tokens of a session that were issued at this time are refused; `kept` is its field `kept_until`.
local function is_refused(issued_at, kept, not_before)
    return issued_at <= not_before and tonumber(kept or 0) < not_before
end

-- Ends a session; its access tokens are refused for `life`. Returns the keys that other processes may remember.
local function finish(prefix, session_id, life)
    local session, revoked = prefix .. 'session:' .. session_id, prefix .. 'revoked:s:' .. session_id
    redis.call('SET', revoked, ENDED, 'PX', text(math.ceil(life / 1000)))
    redis.call('DEL', session)
    redis.call('ZREM', prefix .. 'sessions', session_id)
    return {session, revoked}
end

-- Tells every process to forget these keys; the channel is empty when nobody listens.
local function invalidate(channel, keys)
    if channel ~= '' and #keys > 0 then
        redis.call('PUBLISH', channel, cjson.encode(keys))
    end
end
