-- Bans a network, unless it is banned for longer already.
-- KEYS[1]  bans, KEYS[2] reasons: see shared.lua
-- ARGV[1]  the network
-- ARGV[2]  how long the ban lasts, milliseconds
-- ARGV[3]  the reason
-- ARGV[4]  how many bans are kept
-- Returns {milliseconds that the ban still lasts, 1 if it is new}.
local now = now_ms()
sweep(KEYS[1], KEYS[2], now)
local ends = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if ends >= now + tonumber(ARGV[2]) then
    return {ends - now, 0}
end
ban(KEYS[1], KEYS[2], ARGV[1], now, tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]))
return {tonumber(ARGV[2]), ends > now and 0 or 1}
