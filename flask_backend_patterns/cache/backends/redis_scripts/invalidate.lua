-- Forgets values and tags, breaks the leases of those who are loading them, and tells the near caches.
-- KEYS  pairs of value and lease, then the tags. A tag without a version makes its values misses, for ever.
-- ARGV[1]  how many pairs there are
-- ARGV[2]  channel of invalidations, or empty
-- ARGV[3...]  what near caches call them
-- Returns how many of the values were there.
local pairs_of_keys, found = tonumber(ARGV[1]), 0
for number = 1, 2 * pairs_of_keys, 2 do
    found = found + redis.call('UNLINK', KEYS[number])
    redis.call('DEL', KEYS[number + 1])
end
for number = 2 * pairs_of_keys + 1, #KEYS do
    redis.call('DEL', KEYS[number])
end
if ARGV[2] ~= '' then
    local names = {}
    for number = 3, #ARGV do
        names[#names + 1] = ARGV[number]
    end
    publish_keys(ARGV[2], names)
end
return found
