"""A process on grpcio that does what a test says: gRPC's interop server, and its interop cases as a client.

Its stubs are those that protoc makes of interop.proto, in the folder that it is given, which Octavo has printed.
Each line of its input is a command, each line of its output an answer or an event, as JSON.
"""

import json
import sys
import time
from concurrent import futures

import grpc

sys.path.insert(0, sys.argv[1])

import interop_pb2 as messages  # noqa: E402
import interop_pb2_grpc as stubs  # noqa: E402

REQUEST_SIZES = [27182, 8, 1828, 45904]
REPLY_SIZES = [31415, 9, 2653, 58979]
LARGE_REQUEST = 271828
LARGE_REPLY = 314159
INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"


def payload(size):
    return messages.Payload(body=bytes(size))


class Server(stubs.TestServiceServicer):
    def EmptyCall(self, request, context):
        return messages.Empty()

    def UnaryCall(self, request, context):
        echo(context)
        fail(request, context)
        return messages.SimpleResponse(payload=payload(request.response_size))

    def StreamingOutputCall(self, request, context):
        yield from replies(request)

    def StreamingInputCall(self, requests, context):
        size = sum(len(request.payload.body) for request in requests)
        return messages.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        echo(context)
        for request in requests:
            fail(request, context)
            yield from replies(request)

    def HalfDuplexCall(self, requests, context):
        for request in list(requests):
            yield from replies(request)


def echo(context):
    sent = dict(context.invocation_metadata())
    if INITIAL in sent:
        context.send_initial_metadata(((INITIAL, sent[INITIAL]),))
    if TRAILING in sent:
        context.set_trailing_metadata(((TRAILING, sent[TRAILING]),))


def fail(request, context):
    if request.response_status.code != 0:
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[request.response_status.code], request.response_status.message)


def replies(request):
    for parameters in request.response_parameters:
        if parameters.interval_us > 0:
            time.sleep(parameters.interval_us / 1e6)
        yield messages.StreamingOutputCallResponse(payload=payload(parameters.size))


def wanted(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r} came, and {expected!r} was wanted")


def failing(code, call, details=None):
    try:
        call()
    except grpc.RpcError as error:
        wanted(error.code(), code)
        if details is not None:
            wanted(error.details(), details)
    else:
        raise AssertionError(f"it did not fail with {code}")


def asking(size, request_size):
    parameters = [messages.ResponseParameters(size=size)]
    return messages.StreamingOutputCallRequest(response_parameters=parameters, payload=payload(request_size))


def empty_unary(stub, channel):
    wanted(stub.EmptyCall(messages.Empty()), messages.Empty())


def large_unary(stub, channel):
    request = messages.SimpleRequest(response_size=LARGE_REPLY, payload=payload(LARGE_REQUEST))
    wanted(stub.UnaryCall(request).payload.body, bytes(LARGE_REPLY))


def client_streaming(stub, channel):
    requests = [messages.StreamingInputCallRequest(payload=payload(size)) for size in REQUEST_SIZES]
    wanted(stub.StreamingInputCall(iter(requests)).aggregated_payload_size, 74922)


def server_streaming(stub, channel):
    parameters = [messages.ResponseParameters(size=size) for size in REPLY_SIZES]
    request = messages.StreamingOutputCallRequest(response_parameters=parameters)
    wanted([len(reply.payload.body) for reply in stub.StreamingOutputCall(request)], REPLY_SIZES)


def ping_pong(stub, channel):
    import queue

    pings = queue.Queue()
    call = stub.FullDuplexCall(iter(pings.get, None))
    for size, request_size in zip(REPLY_SIZES, REQUEST_SIZES):
        pings.put(asking(size, request_size))
        wanted(len(next(call).payload.body), size)
    pings.put(None)
    wanted(list(call), [])


def empty_stream(stub, channel):
    wanted(list(stub.FullDuplexCall(iter([]))), [])


def custom_metadata(stub, channel):
    sent = ((INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab"))

    def check(call):
        wanted(dict(call.initial_metadata()).get(INITIAL), "test_initial_metadata_value")
        wanted(dict(call.trailing_metadata()).get(TRAILING), b"\xab\xab\xab")

    request = messages.SimpleRequest(response_size=LARGE_REPLY, payload=payload(LARGE_REQUEST))
    reply, call = stub.UnaryCall.with_call(request, metadata=sent)
    wanted(len(reply.payload.body), LARGE_REPLY)
    check(call)
    stream = stub.FullDuplexCall(iter([asking(LARGE_REPLY, LARGE_REQUEST)]), metadata=sent)
    wanted([len(each.payload.body) for each in stream], [LARGE_REPLY])
    check(stream)


def status_code_and_message(stub, channel):
    status = messages.EchoStatus(code=2, message="test status message")
    unknown = grpc.StatusCode.UNKNOWN
    failing(unknown, lambda: stub.UnaryCall(messages.SimpleRequest(response_status=status)), status.message)
    requests = [messages.StreamingOutputCallRequest(response_status=status)]
    failing(unknown, lambda: list(stub.FullDuplexCall(iter(requests))), status.message)


def special_status_message(stub, channel):
    text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP \U0001f608\t\n"
    request = messages.SimpleRequest(response_status=messages.EchoStatus(code=2, message=text))
    failing(grpc.StatusCode.UNKNOWN, lambda: stub.UnaryCall(request), text)


def unknown_path(channel, path):
    return channel.unary_unary(path, messages.Empty.SerializeToString, messages.Empty.FromString)


def unimplemented_method(stub, channel):
    call = unknown_path(channel, "/grpc.testing.TestService/UnimplementedCall")
    failing(grpc.StatusCode.UNIMPLEMENTED, lambda: call(messages.Empty()))


def unimplemented_service(stub, channel):
    call = unknown_path(channel, "/grpc.testing.UnimplementedService/UnimplementedCall")
    failing(grpc.StatusCode.UNIMPLEMENTED, lambda: call(messages.Empty()))


def endless(*first):
    yield from first
    time.sleep(5)


def cancel_after_begin(stub, channel):
    call = stub.StreamingInputCall.future(endless())
    call.cancel()
    wanted(call.cancelled(), True)
    wanted(call.code(), grpc.StatusCode.CANCELLED)


def cancel_after_first_response(stub, channel):
    call = stub.FullDuplexCall(endless(asking(31415, 27182)))
    wanted(len(next(call).payload.body), 31415)
    call.cancel()
    failing(grpc.StatusCode.CANCELLED, lambda: next(call))


def timeout_on_sleeping_server(stub, channel):
    call = stub.FullDuplexCall(endless(messages.StreamingOutputCallRequest(payload=payload(27182))), timeout=0.001)
    failing(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: next(call))


CASES = [
    empty_unary,
    large_unary,
    client_streaming,
    server_streaming,
    ping_pong,
    empty_stream,
    custom_metadata,
    status_code_and_message,
    special_status_message,
    unimplemented_method,
    unimplemented_service,
    cancel_after_begin,
    cancel_after_first_response,
    timeout_on_sleeping_server,
]


def do(command):
    if command["do"] == "serve":
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
        stubs.add_TestServiceServicer_to_server(Server(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        SERVERS.append(server)
        return f"127.0.0.1:{port}"
    if command["do"] == "cases":
        return [case.__name__ for case in CASES]
    compression = grpc.Compression.Gzip if command.get("gzip") else grpc.Compression.NoCompression
    with grpc.insecure_channel(command["address"], compression=compression) as channel:
        stub = stubs.TestServiceStub(channel)
        next(case for case in CASES if case.__name__ == command["name"])(stub, channel)
    return None


SERVERS = []


def tell(fact):
    print(json.dumps(fact), flush=True)


tell({"event": "ready"})
for line in sys.stdin:
    try:
        tell({"done": do(json.loads(line))})
    except Exception as error:  # Whatever it is, the test is told.
        tell({"failed": f"{type(error).__name__}: {error}"})
