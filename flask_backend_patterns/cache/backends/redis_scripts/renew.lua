-- Goes on holding leases, and the tags they were taken under; one that is somebody else's by now, or nobody's, is left alone.
-- KEYS  for each: the lease, the tags
-- ARGV[1]  how long leases last from now on, milliseconds; 0 ends them
-- ARGV[2]  how long their tags are kept at least, milliseconds
-- ARGV[3...]  for each: its owner, and how many tags there are
local key = 1
for argument = 3, #ARGV, 2 do
    local last = key + tonumber(ARGV[argument + 1])
    if is_held(KEYS[key], ARGV[argument]) then
        if tonumber(ARGV[1]) > 0 then
            redis.call('PEXPIRE', KEYS[key], tonumber(ARGV[1]))
            for number = key + 1, last do
                local version = text_in(KEYS[number])
                if version then
                    lengthen(KEYS[number], version, tonumber(ARGV[2]))
                end
            end
        else
            redis.call('DEL', KEYS[key])
        end
    end
    key = last + 1
end
return 1
