-- Stores what was loaded and ends the lease, if neither the lease nor the version of a tag was lost.
-- KEYS[1]  the value
-- KEYS[2]  the lease
-- KEYS[3...]  the tags
-- ARGV[1]  owner of the lease
-- ARGV[2]  how long the value is kept, milliseconds
-- ARGV[3]  head of the value
-- ARGV[4]  versions from before the load
-- ARGV[5]  payload
-- Returns 1 when it was stored, else 0.
if not is_held(KEYS[2], ARGV[1]) then
    return 0
end
redis.call('DEL', KEYS[2])
for number = 3, #KEYS do
    local start = (number - 3) * VERSION_BYTES + 1
    if redis.call('GET', KEYS[number]) ~= string.sub(ARGV[4], start, start + VERSION_BYTES - 1) then
        return 0
    end
end
local kept = tonumber(ARGV[2])
redis.call('SET', KEYS[1], ARGV[3] .. ARGV[4] .. ARGV[5], 'PX', kept)
keep_tags(3, kept)
return 1
