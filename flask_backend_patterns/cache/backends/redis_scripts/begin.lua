-- Asks for the right to load values.
-- KEYS  for each of them: the value, the lease, the tags
-- ARGV[1]  how long a lease lasts, milliseconds
-- ARGV[2]  how long tags are kept at least, milliseconds: those of values that never come are gone soon
-- ARGV[3...]  for each value: how many tags it has; owner of the lease; '1' to take the lease although there is a value;
--   a new version for each tag
-- Returns for each {the value or false, 1 when the lease was taken or 0, the versions}.
local function begin(value_key, lease_key, versions, owner, takes_anyway)
    local value = text_in(value_key)
    if value and not is_under(value, versions) then
        value = false
    end
    if value and takes_anyway ~= '1' then
        return {value, 0, versions}
    end
    local lease = text_in(lease_key)
    if lease == HOLD then
        return {value, 1, versions} -- it may load, and `finish` will refuse what it brings
    end
    -- A lease that was taken under other versions is broken: what its owner loads is older than the tags.
    if lease and string.sub(lease, -#versions - 1) == '\n' .. versions then
        return {value, 0, versions}
    end
    redis.call('SET', lease_key, owner .. '\n' .. versions, 'PX', tonumber(ARGV[1]))
    return {value, 1, versions}
end

local answers, key, argument = {}, 1, 3
while key <= #KEYS do
    local count = tonumber(ARGV[argument])
    local versions = versions_of(key + 2, key + 1 + count, argument + 3, tonumber(ARGV[2]))
    answers[#answers + 1] = begin(KEYS[key], KEYS[key + 1], versions, ARGV[argument + 1], ARGV[argument + 2])
    key, argument = key + 2 + count, argument + 3 + count
end
return answers
