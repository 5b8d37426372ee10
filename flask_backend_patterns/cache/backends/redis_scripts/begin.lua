-- Asks for the right to load a value.
-- KEYS[1]  the value
-- KEYS[2]  the lease
-- KEYS[3...]  the tags
-- ARGV[1]  owner of the lease
-- ARGV[2]  how long the lease lasts, milliseconds
-- ARGV[3]  how long a tag that is made now is kept, milliseconds
-- ARGV[4]  '1' to take the lease although there is a value
-- ARGV[5...]  a new version for each tag
-- Returns {the value or false, 1 when the lease was taken or 0, the versions}.
local versions = versions_of(3, 5, tonumber(ARGV[3]))
local value = redis.call('GET', KEYS[1])
if value and not is_under(value, versions) then
    value = false
end
if value and ARGV[4] ~= '1' then
    return {value, 0, versions}
end
-- A lease that was taken under other versions is broken: what its owner loads is older than the tags.
local lease = redis.call('GET', KEYS[2])
if lease and string.sub(lease, -#versions - 1) == '\n' .. versions then
    return {value, 0, versions}
end
redis.call('SET', KEYS[2], ARGV[1] .. '\n' .. versions, 'PX', tonumber(ARGV[2]))
return {value, 1, versions}
