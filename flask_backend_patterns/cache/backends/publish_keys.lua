-- publish_keys(channel, keys): tells every near cache that the values of `keys` have changed.
-- channel: string, as in RedisFeed.channel; keys: a list of strings in UTF-8. Call it in the script that writes.
local function publish_keys(channel, keys)
    if #keys > 0 then
        redis.call('PUBLISH', channel, cjson.encode(keys))
    end
end
