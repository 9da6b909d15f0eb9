"""How much a server takes on, and what it says to more."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

RETRY = {"Retry-After": "1"}  # seconds: what is full now has room soon
LINGER = 2  # seconds in which who is refused may send the rest of what nobody will read


@dataclass(frozen=True)
class Limits:
    """What one server takes on."""

    bytes: int = 32_000_000  # of a request
    held: int = 256_000_000  # bytes that have come of requests that have not ended
    pictures: int = 64  # of a request
    queue: int = 256  # pictures that have arrived and are not answered
    seconds: float = 30.0  # in which a request must arrive; and in which it must be answered


class Door:
    """An ASGI application that lets requests through to `app` within the limits.

    Who declares too much is refused before any of it is read; and what comes is counted.
    arrived: called at each request. ended: called with the status of each response.
    """

    def __init__(self, app, limits, arrived, ended):
        self.app, self.limits, self.arrived, self.ended, self.held = app, limits, arrived, ended, 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.arrived()
        request = _Request(scope, receive, send, self)
        if request.declared > self.limits.bytes:
            await request.refuse(413, _too_long(self.limits))
            return
        try:
            await self.app(scope, request.receive, request.send)
        finally:
            self.held -= request.held


class _Request:
    """A request on its way: how much of its body has come, and whether there is more."""

    def __init__(self, scope, receive, send, door):
        headers = dict(scope["headers"])
        self.scope, self.door = scope, door
        self.next, self.answer, self.held = receive, send, 0
        self.declared = int(headers.get(b"content-length", 0))
        there = self.declared > 0 or b"transfer-encoding" in headers
        # Who waits for leave to send sends nothing after a refusal.
        self.more = there and b"expect" not in headers

    async def receive(self):
        message = await self._next()
        size, limits = len(message.get("body", b"")), self.door.limits
        self.held += size
        self.door.held += size
        if self.held > limits.bytes:
            raise HTTPException(413, _too_long(limits))
        if self.door.held > limits.held:
            raise HTTPException(503, "too much at once: try again in a second", RETRY)
        return message

    async def _next(self):
        message = await self.next()
        self.more = message.get("more_body", False)
        return message

    async def send(self, message):
        if message["type"] == "http.response.start":
            await self._drain()
            self.door.ended(message["status"])
        await self.answer(message)

    async def _drain(self):
        """Read on for a while: who is cut off while sending never reads the answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while self.more:
                    await self._next()

    async def refuse(self, status, detail):
        response = JSONResponse({"detail": detail}, status)
        await response(self.scope, self.next, self.send)


def _too_long(limits):
    return f"expected a request of at most {limits.bytes:,} bytes, found more: send less at once"
