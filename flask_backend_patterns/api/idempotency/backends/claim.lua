-- Takes the key for one attempt, or tells what is known of it.
-- KEYS[1]  the record: a hash with `fingerprint`, and `token` while an attempt holds it or `result` afterwards
-- ARGV[1]  token of the attempt
-- ARGV[2]  fingerprint of the request
-- ARGV[3]  lease of the attempt, milliseconds
-- Returns {"claimed"}, {"finished", result}, {"in_progress"} or {"mismatch"}.
local record = redis.call('HMGET', KEYS[1], 'fingerprint', 'result')
if not record[1] then
    redis.call('HSET', KEYS[1], 'fingerprint', ARGV[2], 'token', ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return {'claimed'}
end
if record[1] ~= ARGV[2] then
    return {'mismatch'}
end
if record[2] then
    return {'finished', record[2]}
end
return {'in_progress'}
