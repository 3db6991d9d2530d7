/**
 * Takes a token out of a bucket, by the server's clock. The key holds when the bucket will be full again, and goes when it is: a bucket that
 * is not there is full. The library gives its points, here the burst, and its duration, here how many seconds a bucket takes to fill, and
 * wants how many points are used and how long to wait.
 *
 * Source: the generic cell rate algorithm, ITU-T I.371 Annex A, which is a token bucket that remembers one number.
 */
export const TAKE = `
local burst, fills = tonumber(ARGV[3]), tonumber(ARGV[4]) * 1000
local each = fills / burst
local time = redis.call('time')
local now = time[1] * 1000 + time[2] / 1000
local full = tonumber(redis.call('get', KEYS[1])) or now
full = math.min(math.max(full, now), now + fills) + each
local wait = full - now - fills
if wait > 0.001 then return { math.ceil(burst) + 1, math.ceil(wait) } end
redis.call('set', KEYS[1], string.format('%.3f', full), 'px', math.ceil(full - now))
return { 1, 0 }
`;

/** Takes an event for a time, or says who has it. */
export const CLAIM = `
local state = redis.call('get', KEYS[1])
if state then return state end
redis.call('set', KEYS[1], 'running', 'px', ARGV[1])
return 'claimed'
`;

/** Remembers that an event was handled. */
export const FINISH = `
redis.call('set', KEYS[1], 'done', 'px', ARGV[1])
return 'done'
`;
