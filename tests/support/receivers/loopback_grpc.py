"""Loaded by Phoenix itself (PHOENIX_GRPC_INTERCEPTOR_PATHS): its gRPC listener on loopback only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc.aio

_server = grpc.aio.server


class LoopbackOnly(grpc.aio.ServerInterceptor):
    """What Phoenix asks a file of interceptors for; nothing is intercepted."""


def _loopback_server(*, interceptors: Sequence[Any] = (), **keywords: Any) -> Any:
    others = [each for each in interceptors if each is not LoopbackOnly]
    server = _server(interceptors=others, **keywords)
    add = server.add_insecure_port
    server.add_insecure_port = lambda address: add(address.replace("[::]", "127.0.0.1"))
    return server


grpc.aio.server = _loopback_server
