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
    held: int = 256_000_000  # bytes of all requests that have begun and not ended
    pictures: int = 64  # of a request
    queue: int = 256  # pictures that have arrived and are not answered
    seconds: float = 30.0  # in which a request must arrive; and in which it must be answered


class Door:
    """An ASGI application that lets requests through to `app` within the limits.

    It goes by the length a request declares, before any of it is read, and counts what comes.
    arrived: called at each request. ended: called with the status of each response.
    """

    def __init__(self, app, limits, arrived, ended):
        self.app, self.limits, self.arrived, self.ended, self.held = app, limits, arrived, ended, 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.arrived()
        request = _Request(scope, receive, send, self.limits, self.ended)
        if request.declared > self.limits.bytes:
            await request.refuse(413, _too_long(self.limits))
        elif self.held + request.declared > self.limits.held:
            await request.refuse(503, "too many requests at once: try again in a second", RETRY)
        else:
            self.held += request.declared
            try:
                await self.app(scope, request.receive, request.send)
            finally:
                self.held -= request.declared


class _Request:
    """A request on its way: what of its body has come, and whether there is more."""

    def __init__(self, scope, receive, send, limits, ended):
        headers = dict(scope["headers"])
        self.scope, self.limits, self.ended = scope, limits, ended
        self.next, self.answer, self.read = receive, send, 0
        chunked = b"transfer-encoding" in headers
        self.declared = limits.bytes if chunked else int(headers.get(b"content-length", 0))
        # Who waits for leave to send sends nothing after a refusal.
        self.more = self.declared > 0 and b"expect" not in headers

    async def receive(self):
        message = await self.next()
        self.read += len(message.get("body", b""))
        self.more = message.get("more_body", False)
        if self.read > self.limits.bytes:
            raise HTTPException(413, _too_long(self.limits))
        return message

    async def send(self, message):
        if message["type"] == "http.response.start":
            await self._drain()
            self.ended(message["status"])
        await self.answer(message)

    async def _drain(self):
        """Read on for a while: who is cut off while sending never reads the answer."""
        with suppress(TimeoutError, HTTPException):
            async with asyncio.timeout(LINGER):
                while self.more:
                    await self.receive()

    async def refuse(self, status, detail, headers=None):
        response = JSONResponse({"detail": detail}, status, headers)
        await response(self.scope, self.next, self.send)


def _too_long(limits):
    return f"expected a request of at most {limits.bytes:,} bytes, found more: send less at once"
