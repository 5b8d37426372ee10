-- Lists the bans.
-- KEYS[1]  bans, KEYS[2] reasons: see shared.lua
-- Returns {network, milliseconds that the ban still lasts, reason, network, ...}, those that end last first.
local now = now_ms()
local found = redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '(' .. text(now), 'WITHSCORES')
local listed = {}
for place = 1, #found, 2 do
    listed[#listed + 1] = found[place]
    listed[#listed + 1] = tonumber(found[place + 1]) - now
    listed[#listed + 1] = redis.call('HGET', KEYS[2], found[place]) or ''
end
return listed
