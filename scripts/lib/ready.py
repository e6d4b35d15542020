"""Waits until a Milvus server is ready to work: `ready.py URI [SECONDS [CA-FILE]]`.

Ready means that CheckHealth says so and that ShowCollections answers: a server accepts connections,
and even calls itself healthy, before it can do either. Prints nothing; exit code 1 means it never was.
"""

import base64
import sys
import time

import grpc
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

ATTEMPT_SECONDS = 2
# A fresh server's own account: needed where authorization is on, ignored where it is off.
ACCOUNT = (("authorization", base64.b64encode(b"root:Milvus").decode()),)


def is_ready(stub):
    try:
        health = stub.CheckHealth(milvus_pb2.CheckHealthRequest(), timeout=ATTEMPT_SECONDS, metadata=ACCOUNT)
        if not health.isHealthy:
            return False
    except grpc.RpcError as error:
        # Milvus Lite 2.5.1 lacks the call.
        if error.code() != grpc.StatusCode.UNIMPLEMENTED:
            raise
    request = milvus_pb2.ShowCollectionsRequest()
    shown = stub.ShowCollections(request, timeout=ATTEMPT_SECONDS, metadata=ACCOUNT)
    return shown.status.code == 0


def open_channel(address, ca):
    if not ca:
        return grpc.insecure_channel(address)
    with open(ca, "rb") as file:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()))


def main():
    address = sys.argv[1].split("://", 1)[-1]
    deadline = time.monotonic() + float(sys.argv[2] if len(sys.argv) > 2 else 120)
    while time.monotonic() < deadline:
        # A new channel each time: gRPC's own back-off would outlast the server's start.
        with open_channel(address, sys.argv[3] if len(sys.argv) > 3 else "") as channel:
            try:
                if is_ready(milvus_pb2_grpc.MilvusServiceStub(channel)):
                    return 0
            except grpc.RpcError:
                pass
        time.sleep(0.1)
    return 1


if __name__ == "__main__":
    sys.exit(main())
