-- Looks whether this is the server that the values were stored by. One that was started again from a snapshot, or has
-- taken over from another, may lack the last invalidations, and its values are old then: all are forgotten.
-- KEYS[1]  holds the id of the server that was seen last
-- KEYS[2]  the tag that every value has
-- ARGV[1]  channel of invalidations, or empty
-- ARGV[2]  what near caches call that tag
-- Returns 1 when everything was forgotten, else 0.
local info = redis.pcall('INFO', 'server')
local id = type(info) == 'string' and string.match(info, 'run_id:(%w+)')
local seen = text_in(KEYS[1])
if not id or id == seen then
    return 0
end
redis.call('SET', KEYS[1], id)
if not seen then
    return 0
end
redis.call('DEL', KEYS[2])
if ARGV[1] ~= '' then
    publish_keys(ARGV[1], {ARGV[2]})
end
return 1
