/** Stands in a group for that it is durable: a group with this consumer, which takes nothing, is never destroyed. */
export const ANCHOR = 'durable';

/**
 * Takes a consumer out of a group, unless it has something in hand, which others take over then. A group that is not durable goes with
 * its last consumer.
 *
 * KEYS: the stream. ARGV: group, consumer.
 */
export const LEAVE = `
local consumers = redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
local others = 0
for _, fields in ipairs(consumers) do
  if fields[2] == ARGV[2] then
    if fields[4] == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
  else others = others + 1 end
end
if others == 0 then redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1]) end
return others`;

/**
 * Takes away what is of no use any more: consumers that are dead and have nothing in hand, groups that are not durable and have only dead
 * consumers, and entries that every group has dealt with, when they are old or the stream is too long. Gives the stream's length then.
 *
 * KEYS: the stream. ARGV: the silence of a dead consumer and the age of an old entry, in milliseconds, and the greatest length.
 */
export const TIDY = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local function parts(id)
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(n)
end
local function before(a, b)
  local ams, an = parts(a)
  local bms, bn = parts(b)
  return ams < bms or (ams == bms and an < bn)
end
local silence, age, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local wanted
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local name, last = group[2], group[8]
  local durable, alive = false, 0
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], name)) do
    if consumer[2] == '${ANCHOR}' then durable = true
    elseif consumer[6] < silence then alive = alive + 1
    elseif consumer[4] == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], name, consumer[2]) end
  end
  if not durable and alive == 0 then redis.call('XGROUP', 'DESTROY', KEYS[1], name)
  else
    local first = redis.call('XPENDING', KEYS[1], name)[2]
    local ms, n = parts(last)
    local from = first or (string.format('%.0f', ms) .. '-' .. string.format('%.0f', n + 1))
    if not wanted or before(from, wanted) then wanted = from end
  end
end
local full = redis.call('XLEN', KEYS[1]) >= most
if full and not wanted then redis.call('XTRIM', KEYS[1], 'MAXLEN', math.floor(most / 2))
else
  local now = tonumber(redis.call('TIME')[1]) * 1000
  local oldest = string.format('%.0f', math.max(0, now - age)) .. '-0'
  if wanted and (full or before(wanted, oldest)) then oldest = wanted end
  redis.call('XTRIM', KEYS[1], 'MINID', oldest)
end
local length = redis.call('XLEN', KEYS[1])
if length == 0 and not wanted then redis.call('DEL', KEYS[1]) end
return length`;
