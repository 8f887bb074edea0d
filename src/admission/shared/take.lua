-- One request of one key, as `admission/rate` decides it (GCRA), by this machine's clock. All times are in microseconds
-- since October 2025, so that a double tells a hundredth of one apart.
--
-- KEYS[1] whose debt it is; ARGV[1] what one request adds to the debt; ARGV[2] the deepest debt.
-- Gives the debt after the request if it may go on, and else -1 minus the debt.
local time = redis.call('TIME')
local now = (time[1] - 1760000000) * 1000000 + time[2]
local interval, full = tonumber(ARGV[1]), tonumber(ARGV[2])
local debt = 0
-- What another program keeps under this name is no debt, whatever its type.
local kept = redis.pcall('GET', KEYS[1])
if type(kept) == 'string' and #kept == 16 then
  local paid, was = struct.unpack('<dd', kept)
  debt = paid - now
  -- Written at another rate: as many requests at this one.
  if was ~= interval and was > 0 then debt = debt * interval / was end
  -- Also what is not a number. After a smaller burst, or a step of the clock, it may be deeper than anyone can get.
  if not (debt > 0) then debt = 0 elseif debt > full then debt = full end
end
-- A tenth of a microsecond is what adding and subtracting may have cost.
if debt + interval > full + 0.1 then return -1 - math.ceil(debt) end
debt = debt + interval
redis.call('SET', KEYS[1], struct.pack('<dd', now + debt, interval), 'PX', math.ceil(debt / 1000))
return math.ceil(debt)
