-- Goes on holding leases; one that is somebody else's by now, or nobody's, is left alone.
-- KEYS  the leases
-- ARGV[1]  how long they last from now on, milliseconds; 0 ends them
-- ARGV[2...]  the owner of each
for number = 1, #KEYS do
    if is_held(KEYS[number], ARGV[number + 1]) then
        if tonumber(ARGV[1]) > 0 then
            redis.call('PEXPIRE', KEYS[number], tonumber(ARGV[1]))
        else
            redis.call('DEL', KEYS[number])
        end
    end
end
return 1
