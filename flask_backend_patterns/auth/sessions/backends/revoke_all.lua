-- Ends all sessions of a user but the one to keep, and refuses every other token issued until now. May be done again.
-- KEYS[1]  the user's sessions: sorted set of ids by last use
-- KEYS[2]  not before: microseconds
-- KEYS[3]  the latest time of issue: microseconds
-- ARGV[1]  now, microseconds, or empty for this server's clock
-- ARGV[2]  prefix of the user's keys (all have the same hash tag)
-- ARGV[3]  how long access tokens of an ended session are refused, microseconds
-- ARGV[4]  how long tokens issued until now are refused, microseconds
-- ARGV[5]  channel of invalidations, may be empty
-- ARGV[6]  id of the session to keep, may be empty
-- Returns {time until which tokens are refused, 1 when one session is kept, ids of the sessions that ended...}.
-- Later than the last time, so that a session that was kept then is not kept now.
local until_now = math.max(now_microseconds(ARGV[1]), not_before_of(KEYS[2]) + 1,
    tonumber(redis.call('GET', KEYS[3]) or 0))
local ended, answer = {}, {text(until_now), '0'}
if ARGV[6] ~= '' then
    local session, record = ARGV[2] .. 'session:' .. ARGV[6], ARGV[2] .. 'revoked:s:' .. ARGV[6]
    if redis.call('GET', record) ~= ENDED then
        redis.call('SET', record, text(until_now), 'PX', text(math.ceil(tonumber(ARGV[4]) / 1000)))
        if redis.call('EXISTS', session) == 1 then
            redis.call('HSET', session, 'kept_until', text(until_now))
        end
        answer[2] = '1'
        ended[1] = record -- told first: nobody is to know the end of all without the exception
    end
end
redis.call('SET', KEYS[2], text(until_now), 'PX', text(math.ceil(tonumber(ARGV[4]) / 1000)))
ended[#ended + 1] = KEYS[2]
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    if id ~= ARGV[6] then
        if redis.call('EXISTS', ARGV[2] .. 'session:' .. id) == 1 then
            answer[#answer + 1] = id
        end
        for _, key in ipairs(finish(ARGV[2], id, tonumber(ARGV[3]))) do
            ended[#ended + 1] = key
        end
    end
end
invalidate(ARGV[5], ended)
return answer
