-- Ends a ban.
-- KEYS[1]  bans, KEYS[2] reasons: see shared.lua
-- KEYS[3]  the count of the network's refusals
-- ARGV[1]  the network
-- Returns 1 if there was one.
local now = now_ms()
sweep(KEYS[1], KEYS[2], now)
redis.call('DEL', KEYS[3])
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
