-- Counts refusals, and bans who has had too many: one step.
-- KEYS[1]  how many refusals in the window, which begins with the first
-- KEYS[2]  bans, KEYS[3] reasons: see shared.lua
-- ARGV[1]  the network
-- ARGV[2]  how many refusals are let pass
-- ARGV[3]  the window, milliseconds
-- ARGV[4]  how long a ban lasts, milliseconds
-- ARGV[5]  the reason
-- ARGV[6]  how many bans are kept
-- ARGV[7]  how many refusals there were
-- Returns {milliseconds that the ban still lasts (0: none), 1 if it begins now, how many are counted}.
local now = now_ms()
local ends = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0)
if ends > now then
    return {ends - now, 0, 0}
end
local count = redis.call('INCRBY', KEYS[1], ARGV[7])
if count == tonumber(ARGV[7]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if count <= tonumber(ARGV[2]) then
    return {0, 0, count}
end
redis.call('DEL', KEYS[1])
sweep(KEYS[2], KEYS[3], now)
ban(KEYS[2], KEYS[3], ARGV[1], now, tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]))
return {tonumber(ARGV[4]), 1, 0}
