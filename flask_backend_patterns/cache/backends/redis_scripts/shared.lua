-- What several scripts of the store need. A value is 9 bytes of its head, 16 bytes for the version of each tag, and the
-- payload. A lease is its owner, a line feed, and the versions it was taken under. A tag is its version: 16 bytes that
-- are made once and never again, so a value never becomes valid again after its tag was forgotten.
-- What is about to be changed by a commit is on hold: a version that begins with HOLD, a lease that is HOLD.
local VERSION_BYTES, HEAD_BYTES, FORMAT, HOLD = 16, 9, 1, '!'

-- The text in `key`; false where there is none, or something that no text can be read of.
local function text_in(key)
    local text = redis.pcall('GET', key)
    return type(text) == 'string' and text
end

-- Has a tag live for `kept` milliseconds at least; one on hold is left alone.
local function lengthen(key, version, kept)
    if string.sub(version, 1, 1) ~= HOLD and redis.call('PTTL', key) < kept then
        redis.call('PEXPIRE', key, kept)
    end
end

-- The versions of the tags in KEYS[first...last], one after the other; those that are missing are made. They are kept for
-- `kept` milliseconds at least, but not longer on hold. ARGV[proposed...] are new versions.
local function versions_of(first, last, proposed, kept)
    local versions = {}
    for number = first, last do
        local version = text_in(KEYS[number])
        if not version or #version ~= VERSION_BYTES then
            version = ARGV[proposed + number - first]
            redis.call('SET', KEYS[number], version, 'PX', kept)
        else
            lengthen(KEYS[number], version, kept)
        end
        versions[#versions + 1] = version
    end
    return table.concat(versions)
end

-- Whether one of these versions is on hold.
local function has_hold(versions)
    for start = 1, #versions, VERSION_BYTES do
        if string.sub(versions, start, start) == HOLD then
            return true
        end
    end
    return false
end

-- Makes the tags in KEYS[first...last] outlive a value that is kept for `kept` milliseconds, by half a day to a day.
local function keep_tags(first, last, kept)
    local half_day = 43200000
    for number = first, last do
        if redis.call('PTTL', KEYS[number]) < kept + half_day then
            redis.call('PEXPIRE', KEYS[number], kept + 2 * half_day)
        end
    end
end

-- Whether a value is one of ours, stored under these versions of its tags.
local function is_under(value, versions)
    return #value >= HEAD_BYTES and string.byte(value) == FORMAT
        and string.sub(value, HEAD_BYTES + 1, HEAD_BYTES + #versions) == versions
end

-- Whether the lease in `key` is the owner's.
local function is_held(key, owner)
    local lease = text_in(key)
    return lease and string.sub(lease, 1, #owner + 1) == owner .. '\n'
end
