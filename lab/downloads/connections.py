"""Connections that end in time, whatever a server does.

The time-out of a socket starts anew with every byte, so a server that sends one now and then is
waited for without end: in headers, in a redirect, in the file. Here every look at a socket asks a
deadline as well, and only what brings the file nearer moves that.
"""

import io
import math
import time
from functools import partial
from http.client import HTTPResponse
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter

REDIRECTS = 10


class TooSlow(Exception):
    """The deadline has passed; says how slow is too slow."""


class Deadline:
    """By when a server has to deliver."""

    def __init__(self):
        self.allow(math.inf, "")

    def allow(self, seconds, complaint):
        """Seconds from now; what to say when they have passed."""
        self.end, self.complaint = time.monotonic() + seconds, complaint

    def check(self):
        if time.monotonic() > self.end:
            raise TooSlow(self.complaint)


class Session(requests.Session):
    """Asks servers for files, no longer than its deadline allows."""

    def __init__(self):
        super().__init__()
        self.deadline = Deadline()
        self.mount("http://", Adapter(self.deadline))
        self.mount("https://", Adapter(self.deadline))
        # A reply compressed on the way would make nonsense of sizes and ranges.
        self.headers["Accept-Encoding"] = "identity"

    def ask(self, url, **options):
        """The reply to a GET, its body not yet read, wherever `url` is redirected to."""
        for _ in range(REDIRECTS):
            reply = self.get(url, stream=True, **options)
            target = super().get_redirect_target(reply)
            if not target:
                return reply
            reply.close()
            url = urljoin(url, target)
        raise requests.TooManyRedirects(f"redirects more than {REDIRECTS} times")

    def get_redirect_target(self, resp):
        """None: `ask` follows redirects, as requests would first read their bodies, of any size."""


class Adapter(HTTPAdapter):
    """Makes connections whose replies mind the deadline."""

    def __init__(self, deadline):
        super().__init__()
        self.deadline = deadline

    def get_connection_with_tls_context(self, *args, **kwargs):
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = partial(self._connection, type(pool).ConnectionCls)
        return pool

    def _connection(self, kind, **settings):
        connection = kind(**settings)
        connection.response_class = partial(Reply, self.deadline)
        return connection


class Reply(HTTPResponse):
    def __init__(self, deadline, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fp = io.BufferedReader(Timed(self.fp.detach(), deadline))


class Timed(io.RawIOBase):
    """The bytes of a socket, as long as the deadline has not passed."""

    def __init__(self, raw, deadline):
        self.raw, self.deadline = raw, deadline

    def readable(self):
        return True

    def readinto(self, buffer):
        self.deadline.check()
        return self.raw.readinto(buffer)

    def close(self):
        self.raw.close()
        super().close()
