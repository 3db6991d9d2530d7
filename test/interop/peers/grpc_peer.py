"""Calls the probe service as any Python program would: stubs made by protoc, grpcio on the wire. Prints what it saw as JSON.

usage: grpc_peer.py ADDRESS FOLDER   FOLDER has conformance.proto
"""

import json
import sys
import tempfile

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

address, folder = sys.argv[1:]
out = tempfile.TemporaryDirectory()
made = protoc.main(["", f"-I{folder}", f"--python_out={out.name}", f"--grpc_python_out={out.name}", "conformance.proto"])
assert made == 0, "protoc did not take the file"
sys.path.insert(0, out.name)
import conformance_pb2 as pb  # noqa: E402
import conformance_pb2_grpc as stubs  # noqa: E402

seen = {}


def failure(call):
    """The code and message that a call, or the reading of a stream, fails with; and what was read before."""
    items = []
    try:
        for item in call():
            items.append(item.count)
    except grpc.RpcError as error:
        return [error.code().name, error.details(), items]
    return ["OK", "", items]


def one(run):
    return failure(lambda: iter([run()]))


with grpc.insecure_channel(address) as channel:
    probe = stubs.ProbeStub(channel)
    told = probe.Echo(pb.Ask(text="é", count=-1), timeout=5)
    seen["unary"] = [told.text, told.count]
    told = probe.Echo(pb.Ask(text="small"), compression=grpc.Compression.Gzip, timeout=5)
    seen["gzip"] = told.text

    told, call = probe.Context.with_call(
        pb.Ask(), metadata=(("foo-bar", "x y"), ("many", "a"), ("many", "b"), ("raw-bin", b"\x00\x0a\xff")), timeout=5
    )
    seen["metadata"] = list(told.lines)
    seen["deadline"] = told.count
    seen["header"] = sorted([k, v] for k, v in call.initial_metadata() if k != "date")
    seen["trailer"] = sorted([k, v] for k, v in call.trailing_metadata())

    seen["not found"] = one(lambda: probe.Fail(pb.Ask(text="thing"), timeout=5))
    seen["internal"] = one(lambda: probe.Fail(pb.Ask(text="plain"), timeout=5))
    seen["no method"] = one(
        lambda: channel.unary_unary("/conformance.Probe/Nothing", request_serializer=None)(b"", timeout=5)
    )
    seen["late"] = one(lambda: probe.Wait(pb.Ask(), timeout=0.1))[0]
    seen["too long"] = one(lambda: probe.Echo(pb.Ask(text="x" * 5_000_000), timeout=5))
    try:
        probe.Echo(pb.Ask(text="x" * 30), timeout=5)
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)
        bad = error_details_pb2.BadRequest()
        assert status.details[0].Unpack(bad)
        seen["violations"] = [violation.field for violation in bad.field_violations]

    seen["server stream"] = failure(lambda: probe.Count(pb.Ask(count=3)))
    seen["error after items"] = failure(lambda: probe.Count(pb.Ask(text="fail", count=2)))
    seen["client stream"] = probe.Sum(iter([pb.Ask(count=n) for n in (1, 2, 3)]), timeout=5).count
    seen["empty client stream"] = probe.Sum(iter([]), timeout=5).count
    seen["bidi"] = [told.text for told in probe.Chat(iter([pb.Ask(text="a"), pb.Ask(text="b")]), timeout=5)]

    waiting = probe.Wait.future(pb.Ask())
    waiting.cancel()
    seen["cancelled"] = waiting.code().name
    counting = probe.Count(pb.Ask(text="wait", count=1))
    next(counting)
    counting.cancel()
    seen["cancelled stream"] = failure(lambda: counting)[0]

    print(json.dumps(seen), flush=True)

    sys.stdin.readline()
    # The server begins to stop when it hears of this call, and this one must still be answered.
    last = probe.Wait.future(pb.Ask(), timeout=20)
    seen = {"last": last.result().text}
    seen["after the end"] = one(lambda: probe.Echo(pb.Ask(), timeout=5))[0]
    print(json.dumps(seen), flush=True)
