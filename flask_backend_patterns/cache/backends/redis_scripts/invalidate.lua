-- Forgets values and tags, breaks the leases of those who are loading them, and tells the near caches.
-- KEYS  pairs of value and lease, then the tags. A tag without a version makes its values misses, for ever.
-- ARGV[1]  how many pairs there are
-- ARGV[2]  channel of invalidations, or empty
-- ARGV[3]  for how long nothing is stored under them, milliseconds, unless they are forgotten again; 0 for not at all
-- ARGV[4]  the version of tags meanwhile
-- ARGV[5...]  what near caches call them
-- Returns how many of the values were there.
local pairs_of_keys, hold, found = tonumber(ARGV[1]), tonumber(ARGV[3]), 0
local function forget(key, meanwhile)
    if hold > 0 then
        redis.call('SET', key, meanwhile, 'PX', hold)
    else
        redis.call('DEL', key)
    end
end
for number = 1, 2 * pairs_of_keys, 2 do
    found = found + redis.call('UNLINK', KEYS[number])
    forget(KEYS[number + 1], HOLD)
end
for number = 2 * pairs_of_keys + 1, #KEYS do
    forget(KEYS[number], ARGV[4])
end
if ARGV[2] ~= '' then
    local names = {}
    for number = 5, #ARGV do
        names[#names + 1] = ARGV[number]
    end
    publish_keys(ARGV[2], names)
end
return found
