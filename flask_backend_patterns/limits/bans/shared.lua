-- Put before every script of this folder.
-- Bans are a sorted set, member the network, score when the ban ends, milliseconds since the epoch by this server's clock;
-- and a hash, network -> reason. At most so many: those that end soonest leave first.
local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function text(number)
    return string.format('%.0f', number)
end

local function take_out(bans, reasons, gone)
    for _, network in ipairs(gone) do
        redis.call('ZREM', bans, network)
        redis.call('HDEL', reasons, network)
    end
end

local function sweep(bans, reasons, now)
    take_out(bans, reasons, redis.call('ZRANGEBYSCORE', bans, '-inf', text(now)))
end

local function ban(bans, reasons, network, now, lasts, reason, most)
    redis.call('ZADD', bans, text(now + lasts), network)
    redis.call('HSET', reasons, network, reason)
    take_out(bans, reasons, redis.call('ZRANGE', bans, 0, -1 - most))
    local last = redis.call('ZRANGE', bans, -1, -1, 'WITHSCORES')
    for _, key in ipairs({bans, reasons}) do
        redis.call('PEXPIREAT', key, text(tonumber(last[2]) + 1000))
    end
end
