-- Gives the key back, unless another attempt holds it by now.
-- KEYS[1]  the record (see claim.lua)
-- ARGV[1]  token of the attempt
-- Returns 1 when the key was given back.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
    return 0
end
return redis.call('DEL', KEYS[1])
