-- What several scripts of the store need. A value is 9 bytes of its head, 16 bytes for the version of each tag, and the
-- payload. A lease is its owner, a line feed, and the versions it was taken under. A tag is its version: 16 bytes that
-- are made once and never again, so a value never becomes valid again after its tag was forgotten.
local VERSION_BYTES, HEAD_BYTES, FORMAT = 16, 9, 1

-- The versions of the tags in KEYS[first...], one after the other; those that are missing are made, and kept for `kept`
-- milliseconds at least. ARGV[proposed...] are new versions.
local function versions_of(first, proposed, kept)
    local versions = {}
    for number = first, #KEYS do
        local version = redis.call('GET', KEYS[number])
        if not version then
            version = ARGV[proposed + number - first]
            redis.call('SET', KEYS[number], version, 'PX', kept)
        end
        versions[#versions + 1] = version
    end
    return table.concat(versions)
end

-- Makes the tags in KEYS[first...] outlive a value that is kept for `kept` milliseconds, by half a day to a day.
local function keep_tags(first, kept)
    local half_day = 43200000
    for number = first, #KEYS do
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
    local lease = redis.call('GET', key)
    return lease and string.sub(lease, 1, #owner + 1) == owner .. '\n'
end
