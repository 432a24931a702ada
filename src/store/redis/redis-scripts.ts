/**
 * The Lua scripts of the Redis store. Redis runs a script atomically. All keys of a call begin with KEYS[1],
 * `samlgate:{PARTITION}:`. The braces are the hash tag that keeps them in one slot of a cluster.
 *
 * - `r:COLLECTION:ID` hash: `v` version, `d` value, `x` the index and unique strings of the value. A string if the collection is written
 *   once: the index strings, a line feed and the value. Records of a time before there were strings stay hashes.
 * - `i:COLLECTION:NAME` sorted set of `string NUL id`, all with score 0 and therefore ordered by octets
 * - `u:COLLECTION:NAME` hash: string to id
 * - `e:KEY` string: an expiring value
 * - `x` sorted set of the keys of expiring values, by the time in ms at which they expire
 * - `n` set of all other keys that lead to everything in the partition: the indexes, the unique strings, and records with neither
 *
 * `x` and `n` exist so that a partition can be deleted without a scan of the whole database. The global partition, which is never
 * deleted, has neither.
 *
 * KEYS[1] and KEYS[2] themselves never exist.
 */

/** Reads a record that is a string. Returns version, value, and index and unique strings, or nil. */
const READ_STRING = `
local function read_string(key)
  if redis.call('TYPE', key).ok ~= 'string' then return nil end
  local text = redis.call('GET', key)
  local at = string.find(text, '\\n', 1, true)
  return '1', string.sub(text, at + 1), '{"indexes":' .. string.sub(text, 1, at - 1) .. ',"uniques":[]}'
end
`;

/** ARGV: collection, id. Returns version, value, and index and unique strings, or an empty list. */
export const READ = `
${READ_STRING}
local key = KEYS[1] .. 'r:' .. ARGV[1] .. ':' .. ARGV[2]
local version, value, strings = read_string(key)
if version then return {version, value, strings} end
return redis.call('HMGET', key, 'v', 'd', 'x')
`;

/**
 * Applies all steps to an overlay and writes only if none failed, because Redis does not roll back the writes of a script.
 * ARGV[1] is the deadline in ms of the server's clock: later, the caller has given up and nothing may be written. The steps
 * follow, each as its length, its name and its arguments.
 * Returns 0, the number of the first step that failed, or -1 after the deadline.
 */
export const COMMIT = `
${READ_STRING}
local prefix = KEYS[1]
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
if now_ms > tonumber(ARGV[1]) then return -1 end

local versions, entries, holders, present, writes, lists = {}, {}, {}, {}, {}, {}
-- Changes of the keys by which PURGE finds everything: true adds one, false removes it. A number is the time at which it expires.
local names, expiries = {}, {}
local is_listed = prefix ~= 'samlgate:{global}:'
local function write(...) writes[#writes + 1] = {...} end

-- Collects what is added to and removed from a sorted set, to write it with one command each.
local function put_in_list(key, member, stays)
  if not lists[key] then lists[key] = {} end
  lists[key][member] = stays
  if stays then names[key] = true end
end

local function version_of(key)
  if versions[key] == nil then
    local version, _, strings = read_string(key)
    if not version then version, strings = unpack(redis.call('HMGET', key, 'v', 'x'), 1, 2) end
    versions[key] = tonumber(version) or false
    entries[key] = strings or '{}'
  end
  return versions[key]
end

local function holder_of(key, text)
  local at = key .. '\\0' .. text
  if holders[at] == nil then holders[at] = redis.call('HGET', key, text) end
  return holders[at]
end

local function is_present(key)
  if present[key] == nil then present[key] = redis.call('EXISTS', key) == 1 end
  return present[key]
end

local function drop_entries(collection, id, key)
  local old = cjson.decode(entries[key])
  for _, pair in ipairs(old.indexes or {}) do
    put_in_list(prefix .. 'i:' .. collection .. ':' .. pair[1], pair[2] .. '\\0' .. id, false)
  end
  for _, pair in ipairs(old.uniques or {}) do
    local unique = prefix .. 'u:' .. collection .. ':' .. pair[1]
    holders[unique .. '\\0' .. pair[2]] = false
    write('HDEL', unique, pair[2])
  end
end

local function put_record(collection, id, key, version, value, text, is_once)
  local new = cjson.decode(text)
  for _, pair in ipairs(new.uniques) do
    local unique = prefix .. 'u:' .. collection .. ':' .. pair[1]
    if holder_of(unique, pair[2]) then return false end
    holders[unique .. '\\0' .. pair[2]] = id
    names[unique] = true
    write('HSET', unique, pair[2], id)
  end
  for _, pair in ipairs(new.indexes) do
    put_in_list(prefix .. 'i:' .. collection .. ':' .. pair[1], pair[2] .. '\\0' .. id, true)
  end
  versions[key] = version
  entries[key] = text
  if #new.indexes == 0 and #new.uniques == 0 then names[key] = true end
  local indexes = is_once == '1' and version == 1 and string.match(text, '^{"indexes":(.*),"uniques":%[%]}$')
  if indexes then
    write('SET', key, indexes .. '\\n' .. value)
    return true
  end
  write('HSET', key, 'v', string.format('%d', version), 'd', value, 'x', text)
  return true
end

local run = {}
function run.insert(collection, id, value, text, is_once)
  local key = prefix .. 'r:' .. collection .. ':' .. id
  return not version_of(key) and put_record(collection, id, key, 1, value, text, is_once)
end
function run.restore(collection, id, version, value, text, is_once)
  local key = prefix .. 'r:' .. collection .. ':' .. id
  return not version_of(key) and put_record(collection, id, key, tonumber(version), value, text, is_once)
end
function run.replace(collection, id, version, value, text)
  local key = prefix .. 'r:' .. collection .. ':' .. id
  if version_of(key) ~= tonumber(version) then return false end
  -- A full Redis refuses a script whose first write needs memory. A deletion before it lets revocations through.
  if #writes == 0 then write('DEL', KEYS[2]) end
  if entries[key] == text then -- the index entries stay the same, as after most changes
    versions[key] = versions[key] + 1
    write('HSET', key, 'v', string.format('%d', versions[key]), 'd', value)
    return true
  end
  drop_entries(collection, id, key)
  return put_record(collection, id, key, versions[key] + 1, value, text)
end
function run.delete(collection, id, version)
  local key = prefix .. 'r:' .. collection .. ':' .. id
  if version_of(key) ~= tonumber(version) then return false end
  drop_entries(collection, id, key)
  versions[key] = false
  entries[key] = '{}'
  names[key] = false
  write('DEL', key)
  return true
end
function run.require(collection, id, version)
  local there = version_of(prefix .. 'r:' .. collection .. ':' .. id)
  return there and (version == '' or there == tonumber(version))
end
function run.put(name, value, ttl)
  local key = prefix .. 'e:' .. name
  present[key] = true
  expiries[name] = now_ms + ttl
  write('SET', key, value, 'PX', ttl)
  return true
end
function run.take(name)
  local key = prefix .. 'e:' .. name
  if not is_present(key) then return false end
  present[key] = false
  expiries[name] = false
  write('DEL', key)
  return true
end
function run.claim(name, value, ttl)
  return not is_present(prefix .. 'e:' .. name) and run.put(name, value, ttl)
end
function run.below(collection, index, count)
  return redis.call('ZCARD', prefix .. 'i:' .. collection .. ':' .. index) < tonumber(count)
end
function run.increment(name, max, ttl)
  local key = prefix .. 'e:' .. name
  local count = tonumber(redis.call('GET', key) or '0')
  if count >= tonumber(max) then return false end
  if count == 0 then return run.put(name, '1', ttl) end
  write('SET', key, string.format('%d', count + 1), 'KEEPTTL')
  return true
end
function run.absent(name)
  return not is_present(prefix .. 'e:' .. name)
end
function run.drop(name)
  local key = prefix .. 'e:' .. name
  present[key] = false
  expiries[name] = false
  write('DEL', key)
  return true
end

local at, number = 2, 0
while at <= #ARGV do
  number = number + 1
  if not run[ARGV[at + 1]](unpack(ARGV, at + 2, at + ARGV[at])) then return number end
  at = at + 1 + ARGV[at]
end
local function write_many(command, key, values)
  -- unpack is limited to some thousand values.
  for from = 1, #values, 1000 do write(command, key, unpack(values, from, math.min(from + 999, #values))) end
end
for key, members in pairs(lists) do
  local added, removed = {}, {}
  for member, stays in pairs(members) do
    if stays then
      added[#added + 1] = 0
      added[#added + 1] = member
    else
      removed[#removed + 1] = member
    end
  end
  write_many('ZREM', key, removed)
  write_many('ZADD', key, added)
end
for _, command in ipairs(writes) do redis.call(unpack(command)) end
if not is_listed then return 0 end
writes = {}
local added, removed, dated, undated, longest = {}, {}, {}, {}, 0
for name, stays in pairs(names) do
  local list = stays and added or removed
  list[#list + 1] = name
end
for name, expiry in pairs(expiries) do
  if expiry then
    dated[#dated + 1] = string.format('%d', expiry)
    dated[#dated + 1] = name
    longest = math.max(longest, expiry - now_ms)
  else
    undated[#undated + 1] = name
  end
end
-- Each commit removes more than most commits add, so the list does not keep the names of values that have expired.
if #dated > 0 then
  for _, name in ipairs(redis.call('ZRANGE', prefix .. 'x', '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, #dated + 20)) do
    if not expiries[name] then undated[#undated + 1] = name end
  end
end
write_many('SREM', prefix .. 'n', removed)
write_many('ZREM', prefix .. 'x', undated)
write_many('SADD', prefix .. 'n', added)
write_many('ZADD', prefix .. 'x', dated)
for _, command in ipairs(writes) do redis.call(unpack(command)) end
-- The list expires with the last of its values.
if longest > redis.call('PTTL', prefix .. 'x') then redis.call('PEXPIRE', prefix .. 'x', string.format('%d', longest)) end
return 0
`;

/** ARGV: collection, unique, string. Returns id, version and value, or an empty list. */
export const GET_UNIQUE = `
local id = redis.call('HGET', KEYS[1] .. 'u:' .. ARGV[1] .. ':' .. ARGV[2], ARGV[3])
if not id then return {} end
local got = redis.call('HMGET', KEYS[1] .. 'r:' .. ARGV[1] .. ':' .. id, 'v', 'd')
if not got[1] then return {} end
return {id, got[1], got[2]}
`;

/** ARGV: collection, index, lower bound, upper bound, 'REV' or '', limit. Returns text, id, version and value of each record. */
export const FIND = `
${READ_STRING}
local key = KEYS[1] .. 'i:' .. ARGV[1] .. ':' .. ARGV[2]
local members
if ARGV[5] == 'REV' then members = redis.call('ZRANGE', key, ARGV[4], ARGV[3], 'BYLEX', 'REV', 'LIMIT', 0, ARGV[6])
else members = redis.call('ZRANGE', key, ARGV[3], ARGV[4], 'BYLEX', 'LIMIT', 0, ARGV[6]) end
local rows = {}
for _, member in ipairs(members) do
  local at = string.find(member, '\\0', 1, true)
  local id = string.sub(member, at + 1)
  local record = KEYS[1] .. 'r:' .. ARGV[1] .. ':' .. id
  local version, value = read_string(record)
  if not version then version, value = unpack(redis.call('HMGET', record, 'v', 'd'), 1, 2) end
  if version then
    rows[#rows + 1] = string.sub(member, 1, at - 1)
    rows[#rows + 1] = id
    rows[#rows + 1] = version
    rows[#rows + 1] = value
  end
end
return rows
`;

/** Returns the server's clock (seconds, microseconds) and the replication section of INFO. */
export const SERVER_FACTS = `
local now = redis.call('TIME')
return {now[1], now[2], redis.call('INFO', 'replication')}
`;

/**
 * Deletes a part of a partition. ARGV[1] is the number of entries that one call deletes. ARGV[2] is the first characters of the keys of
 * expiring values that stay, or empty. The others are names of keys that the partition may have besides those in `n`. Returns 1 if there
 * may be more, or 0. `n` goes last, so that an interrupted deletion can be continued.
 */
export const PURGE = `
local prefix, limit, kept = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local function delete(kind, names)
  for _, name in ipairs(names) do redis.call('UNLINK', prefix .. kind .. name) end
end

local expiring = redis.call('ZRANGE', prefix .. 'x', 0, limit - 1)
if #expiring > 0 then
  for _, name in ipairs(expiring) do
    if kept == '' or string.sub(name, 1, #kept) ~= kept then redis.call('UNLINK', prefix .. 'e:' .. name) end
  end
  redis.call('ZREM', prefix .. 'x', unpack(expiring))
  return 1
end

local function purge_index(key, collection)
  local members = redis.call('ZRANGE', key, 0, limit - 1)
  if #members == 0 then return false end
  local ids = {}
  for _, member in ipairs(members) do ids[#ids + 1] = string.sub(member, string.find(member, '\\0', 1, true) + 1) end
  delete('r:' .. collection .. ':', ids)
  redis.call('ZREM', key, unpack(members))
  return true
end

local function purge_uniques(key, collection)
  local cursor, ids = '0', {}
  repeat
    local scanned = redis.call('HSCAN', key, cursor, 'COUNT', limit)
    cursor = scanned[1]
    for at = 1, #scanned[2], 2 do
      redis.call('HDEL', key, scanned[2][at])
      ids[#ids + 1] = scanned[2][at + 1]
    end
  until #ids > 0 or cursor == '0'
  delete('r:' .. collection .. ':', ids)
  return #ids > 0
end

local keys = redis.call('SMEMBERS', prefix .. 'n')
for at = 3, #ARGV do keys[#keys + 1] = prefix .. ARGV[at] end
for _, key in ipairs(keys) do
  local kind, collection = string.match(string.sub(key, #prefix + 1), '^([riu]):([^:]+):')
  if kind == 'i' and purge_index(key, collection) then return 1 end
  if kind == 'u' and purge_uniques(key, collection) then return 1 end
  if kind == 'r' then redis.call('UNLINK', key) end
end
redis.call('UNLINK', prefix .. 'n')
return 0
`;
