-- Stores a value that is known to be current, breaks the lease of whoever is loading it, and tells the near caches.
-- KEYS[1]  the value
-- KEYS[2]  the lease
-- KEYS[3...]  the tags
-- ARGV[1]  how long the value is kept, milliseconds
-- ARGV[2]  how long tags are kept at least, milliseconds
-- ARGV[3]  head of the value
-- ARGV[4]  payload
-- ARGV[5]  channel of invalidations, or empty
-- ARGV[6]  what near caches call the value
-- ARGV[7...]  a new version for each tag
local kept = tonumber(ARGV[1])
local versions = versions_of(3, #KEYS, 7, tonumber(ARGV[2]))
if has_hold(versions) or text_in(KEYS[2]) == HOLD then
    redis.call('UNLINK', KEYS[1]) -- which of the two changes is the later one, nobody knows
else
    redis.call('DEL', KEYS[2])
    redis.call('SET', KEYS[1], ARGV[3] .. versions .. ARGV[4], 'PX', kept)
    keep_tags(3, #KEYS, kept)
end
if ARGV[5] ~= '' then
    publish_keys(ARGV[5], {ARGV[6]})
end
return 1
