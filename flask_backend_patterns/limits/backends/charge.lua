-- Decides on any number of charges, and takes all of them or none.
-- KEYS[i]    the hash of charge i: a field `<strategy>:<amount>:<window>` for each limit that counts this key
-- ARGV[1]    now, microseconds since the epoch; empty for this server's clock
-- ARGV[5i-3] strategy: f (fixed window), s (sliding window counter) or g (GCRA)
-- ARGV[5i-2] amount
-- ARGV[5i-1] window, ticks
-- ARGV[5i]   tick, microseconds: so long that amount * window (ticks) stays below 2^52, and all sums below 2^53
-- ARGV[5i+1] cost; charges on one field of one key add up
-- Returns for each charge: remaining, microseconds until it is all there again, microseconds until the cost fits (0: it did).
-- Values, in ticks since the epoch:
--   f  `<begin> <count>`                 the window begins with its first charge
--   s  `<begin> <previous> <current>`    counts of the window before and of this one
--   g  `<whole> <part>`                  the theoretical arrival time: whole + part / amount
-- A value whose time is over says the same as none, so that expiry only tidies up.

local now = tonumber(ARGV[1])
local slack = 60000 -- milliseconds: the clock of a test may stand still
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
    slack = 1000
end

-- Each strategy: load(bucket, text), wait(bucket) in ticks, take(bucket), used(bucket), reset(bucket) in ticks, text(bucket);
-- life(bucket) in ticks where the text matters for longer than `reset`. A time from the future is one from before the clock was set back: it becomes now.
local strategies = {f = {}, s = {}, g = {}}
local fixed, sliding, gcra = strategies.f, strategies.s, strategies.g

function fixed.load(b, text)
    b.begin, b.count = b.now, 0
    if text then
        local begin, count = string.match(text, '(%d+) (%d+)')
        if b.now < begin + b.window then
            b.begin, b.count = math.min(tonumber(begin), b.now), tonumber(count)
        end
    end
end

function fixed.wait(b)
    return b.count + b.cost <= b.amount and 0 or b.begin + b.window - b.now
end

function fixed.take(b)
    b.count = b.count + b.cost
end

function fixed.used(b)
    return b.count
end

function fixed.reset(b)
    return b.count > 0 and b.begin + b.window - b.now or 0
end

function fixed.text(b)
    return string.format('%.0f %.0f', b.begin, b.count)
end

function sliding.load(b, text)
    b.begin, b.previous, b.current = b.now, 0, 0
    if text then
        local begin, previous, current = string.match(text, '(%d+) (%d+) (%d+)')
        begin = math.min(tonumber(begin), b.now)
        if b.now < begin + b.window then
            b.begin, b.previous, b.current = begin, tonumber(previous), tonumber(current)
        elseif b.now < begin + 2 * b.window then
            b.begin, b.previous = begin + b.window, tonumber(current)
        end
    end
end

-- Rounded down, as it was a tick ago: who comes every window / amount gets through, however small the amount is.
function sliding.used(b)
    return b.current + math.max(0, math.floor((b.previous * (b.begin + b.window - b.now) - 1) / b.window))
end

function sliding.wait(b)
    if sliding.used(b) + b.cost <= b.amount then
        return 0
    end
    local room = b.amount - b.current - b.cost
    if room >= 0 then -- once enough of the previous window is out of sight
        return b.begin + b.window - math.floor((room + 1) * b.window / b.previous) - b.now
    end
    return b.begin + 2 * b.window - math.floor((b.amount - b.cost + 1) * b.window / b.current) - b.now
end

function sliding.take(b)
    b.current = b.current + b.cost
end

function sliding.reset(b)
    if b.current > 0 then
        return b.begin + 2 * b.window - math.floor(b.window / b.current) - b.now
    end
    return b.previous > 0 and math.max(0, b.begin + b.window - math.floor(b.window / b.previous) - b.now) or 0
end

function sliding.life(b)
    return b.begin + 2 * b.window - b.now
end

function sliding.text(b)
    return string.format('%.0f %.0f %.0f', b.begin, b.previous, b.current)
end

-- `debt` is what is not yet refilled, in units of 1 / window: a cost of 1 adds `window`, a tick takes `amount` away.
function gcra.load(b, text)
    b.debt = 0
    if text then
        local whole, part = string.match(text, '(%d+) (%d+)')
        local ahead = math.min(whole - b.now, b.window)
        b.debt = math.min(math.max(0, ahead * b.amount + part), b.amount * b.window)
    end
end

function gcra.wait(b)
    return math.max(0, math.ceil((b.debt + b.cost * b.window - b.amount * b.window) / b.amount))
end

function gcra.take(b)
    b.debt = b.debt + b.cost * b.window
end

function gcra.used(b)
    return math.ceil(b.debt / b.window)
end

function gcra.reset(b)
    return math.ceil(b.debt / b.amount)
end

function gcra.text(b)
    local part = b.debt % b.amount
    return string.format('%.0f %.0f', b.now + (b.debt - part) / b.amount, part)
end

local buckets, by_name, of_charge = {}, {}, {}
for i, key in ipairs(KEYS) do
    local at = 5 * i - 3
    local field = ARGV[at] .. ':' .. ARGV[at + 1] .. ':' .. ARGV[at + 2]
    local name = field .. ' ' .. key
    local b = by_name[name]
    if not b then
        b = {key = key, field = field, strategy = strategies[ARGV[at]], cost = 0}
        b.amount, b.window, b.tick = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
        b.now = math.floor(now / b.tick)
        by_name[name] = b
        buckets[#buckets + 1] = b
    end
    b.cost = b.cost + ARGV[at + 4]
    of_charge[i] = b
end

local all_fit = true
for _, b in ipairs(buckets) do
    b.strategy.load(b, redis.call('HGET', b.key, b.field))
    b.wait = b.cost > b.amount and b.window or b.strategy.wait(b)
    all_fit = all_fit and b.wait == 0
end

for _, b in ipairs(buckets) do
    if all_fit and b.cost > 0 then
        b.strategy.take(b)
    end
    local base = b.now * b.tick - now -- up to a tick ago
    local reset = b.strategy.reset(b)
    b.reset = reset > 0 and base + reset * b.tick or 0
    b.retry = b.wait > 0 and base + b.wait * b.tick or 0
    b.remaining = math.max(0, b.amount - b.strategy.used(b))
    if all_fit and b.cost > 0 then
        redis.call('HSET', b.key, b.field, b.strategy.text(b))
        local matters = b.strategy.life and base + b.strategy.life(b) * b.tick or b.reset
        local life = math.ceil(matters / 1000) + slack
        if redis.call('PTTL', b.key) < life then
            redis.call('PEXPIRE', b.key, life)
        end
    end
end

local standings = {}
for i, b in ipairs(of_charge) do
    standings[3 * i - 2], standings[3 * i - 1], standings[3 * i] = b.remaining, b.reset, b.retry
end
return standings
