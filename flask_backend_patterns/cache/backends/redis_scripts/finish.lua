-- Stores what was loaded and ends the leases, where neither the lease nor the version of a tag was lost.
-- KEYS  for each value: the value, the lease, the tags
-- ARGV  for each: how many tags it has; owner of the lease; how long the value is kept, milliseconds; head of the value;
--   versions from before the load; payload
-- Returns for each 1 when it was stored, else 0.
local function finish(key, last, owner, kept, head, versions, payload)
    if not is_held(KEYS[key + 1], owner) then
        return 0
    end
    redis.call('DEL', KEYS[key + 1])
    if has_hold(versions) then
        return 0
    end
    for number = key + 2, last do
        local start = (number - key - 2) * VERSION_BYTES + 1
        if text_in(KEYS[number]) ~= string.sub(versions, start, start + VERSION_BYTES - 1) then
            return 0
        end
    end
    redis.call('SET', KEYS[key], head .. versions .. payload, 'PX', kept)
    keep_tags(key + 2, last, kept)
    return 1
end

local answers, key = {}, 1
for argument = 1, #ARGV, 6 do
    local last = key + 1 + tonumber(ARGV[argument])
    answers[#answers + 1] = finish(key, last, ARGV[argument + 1], tonumber(ARGV[argument + 2]), ARGV[argument + 3],
        ARGV[argument + 4], ARGV[argument + 5])
    key = last + 1
end
return answers
