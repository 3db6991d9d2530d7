-- Calls Echo.Echo with SIZE bytes of text: go-micro's message in protobuf, or JSON where FORM says so. Prints one line of JSON at the end.
local size = tonumber(os.getenv("SIZE"))
local text = string.rep("The quick brown fox jumps over the lazy dog. ", math.ceil(size / 45)):sub(1, size)
local length = size < 128 and string.char(size) or string.char(size % 128 + 128, math.floor(size / 128))

wrk.method = "POST"
if os.getenv("FORM") == "json" then
  wrk.body = '{"text":"' .. text .. '"}'
  wrk.headers["Content-Type"] = "application/json"
else
  wrk.body = "\n" .. length .. text
  wrk.headers["Content-Type"] = "application/protobuf"
  wrk.headers["Micro-Service"] = "bench"
  wrk.headers["Micro-Endpoint"] = "Echo.Echo"
  wrk.headers["Micro-Method"] = "Echo.Echo"
  wrk.headers["Micro-Id"] = "0"
  wrk.headers["Timeout"] = "5000000000"
end

done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"calls":%d,"perSecond":%f,"p50Ms":%f,"p99Ms":%f,"failed":%d}\n',
    summary.requests, summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
