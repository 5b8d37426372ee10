-- Refuses one token that belongs to no session. May be done again.
-- KEYS[1]  the record that the token is revoked
-- ARGV[1]  how long it is refused, microseconds
-- ARGV[2]  channel of invalidations, may be empty
redis.call('SET', KEYS[1], ENDED, 'PX', text(math.max(1, math.ceil(tonumber(ARGV[1]) / 1000))))
invalidate(ARGV[2], {KEYS[1]})
return 1
