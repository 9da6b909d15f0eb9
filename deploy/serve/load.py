"""Sends pictures to a running server, good and bad ones mixed, and reports what came back.

    python -m deploy.serve.load pictures               as fast as it answers
    python -m deploy.serve.load pictures --rate 20     that many a second, whatever it does
    python -m deploy.serve.load pictures --bad 0.2 --requests 10000

A bad request must get the status it deserves, a good one 200, or 503 with Retry-After when full;
anything else is told as lost or wrong. Exit 1 when there was any.
"""

import asyncio
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lab import inputs
from lab.command_line import fraction, parser, user_errors, whole_number
from lab.console import say

BOUNDARY = "a-boundary-that-no-picture-holds"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
BOMB = b"P5 60000 60000 255\n"  # declares 3.6 billion pixels


@dataclass
class Report:
    """What came back: statuses, seconds of the good ones, what should not have been."""

    statuses: Counter = field(default_factory=Counter)
    seconds: list = field(default_factory=list)
    wrong: Counter = field(default_factory=Counter)

    def tell(self, elapsed):
        good, seconds = self.statuses[200], sorted(self.seconds)
        say(f"Requests: {self.statuses.total():,} in {elapsed:.1f} seconds")
        say("Statuses: " + ", ".join(f"{n:,} x {s}" for s, n in self.statuses.most_common()))
        say(f"Pictures: {good / elapsed:.1f} named a second")
        if seconds:
            marks = {f"p{p}": seconds[int(p / 100 * (len(seconds) - 1))] for p in (50, 95, 99)}
            say("Seconds: " + ", ".join(f"{name} {value:.3f}" for name, value in marks.items()))
        say(f"Driver: {time.process_time():.1f} CPU seconds")
        for what, count in self.wrong.items():
            say(f"WRONG: {count:,} x {what}")


def upload(content, kind=FORM, length=None):
    """The bytes of a POST /predict with one file, or of one that only looks like it."""
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    ).encode() + content
    body += f"\r\n--{BOUNDARY}--\r\n".encode()
    head = f"POST /predict HTTP/1.1\r\nHost: lab\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {length or len(body)}\r\n\r\n".encode() + body


def bad(content):
    """Name -> a request that must be refused, and the status it deserves."""
    return {
        "text": (upload(b"no picture at all"), 415),
        "nothing": (upload(b""), 415),
        "cut": (upload(content[: len(content) // 2]), 422),
        "bomb": (upload(BOMB), 413),
        "another type": (upload(content, kind="image/png"), 415),
        "no boundary": (upload(content, kind="multipart/form-data; boundary=other"), 400),
        "no charset": (upload(content, kind=f"{FORM}; charset=undefined"), 400),
        "too long": (upload(content, length=10**9), 413),
    }


class Connection:
    """One client: a connection that is kept while the server keeps it."""

    def __init__(self, host, port):
        self.address, self.reader, self.writer = (host, port), None, None

    async def send(self, request):
        """Status and head of the response; OSError when none came."""
        if not self.writer or self.writer.is_closing() or self.reader.at_eof():
            self.reader, self.writer = await asyncio.open_connection(*self.address)
        try:
            self.writer.write(request)
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", head)
            await self.reader.readexactly(int(length[1]))
        except asyncio.IncompleteReadError as error:
            self.close()
            raise ConnectionError("no response") from error
        if b"connection: close" in head:
            self.close()
        return int(head.split()[1]), head

    def close(self):
        if self.writer:
            self.writer.close()
        self.writer = None


async def ask(connection, request, expected, report, since):
    """One request; what came back goes into the report."""
    try:
        status, head = await connection.send(request)
    except OSError as error:
        report.statuses["lost"] += 1
        report.wrong[f"lost: {type(error).__name__}: expected {expected}"] += 1
        return
    finally:
        if expected == 413:  # the rest of a body that was declared and is not sent
            connection.close()
    report.statuses[status] += 1
    if status == 200:
        report.seconds.append(time.perf_counter() - since)
    full = status == 503 and b"retry-after" in head
    if status != expected and not full:
        report.wrong[f"{status}: expected {expected}"] += 1


def mixed(contents, count, share, rng):
    """`count` requests, a `share` of them bad: each with the status it must get."""
    good = [upload(content) for content in contents]
    worse = [*bad(contents[0]).values()]
    for _ in range(count):
        yield rng.choice(worse) if rng.random() < share else (rng.choice(good), 200)


async def closed(address, requests, at_once, report):
    """So many clients, each of which sends its next request when it has its answer."""

    async def client():
        connection = Connection(*address)
        for request, expected in requests:
            await ask(connection, request, expected, report, time.perf_counter())
        connection.close()

    await asyncio.gather(*[client() for _ in range(at_once)])


async def steady(address, requests, rate, report, rng):
    """`rate` requests a second on average, each when its time has come, answered or not."""
    idle, tasks, due = [], set(), time.perf_counter()

    async def one(request, expected, since):
        connection = idle.pop() if idle else Connection(*address)
        await ask(connection, request, expected, report, since)
        idle.append(connection)

    for request, expected in requests:
        due += rng.expovariate(rate)
        await asyncio.sleep(max(0, due - time.perf_counter()))
        tasks.add(asyncio.create_task(one(request, expected, due)))
    await asyncio.gather(*tasks)


def address_of(url):
    """Host and port; ValueError unless it is http."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"--url {url}: expected http:// and a host")
    return parts.hostname, parts.port or 80


def main(argv=None):
    options = parser(__doc__, "--seed")
    options.add_argument("pictures", nargs="+", help="picture files, or folders of them")
    options.add_argument("--url", default="http://127.0.0.1:8000", help="(default: %(default)s)")
    options.add_argument("--requests", type=whole_number, default=1000, metavar="N")
    options.add_argument("--at-once", type=whole_number, default=64, metavar="N", help="clients")
    options.add_argument("--rate", type=whole_number, metavar="N", help="requests a second instead")
    options.add_argument("--bad", type=fraction, default=0.0, metavar="X", help="share of bad ones")
    args = options.parse_args(argv)

    with user_errors():
        address = address_of(args.url)
        files = inputs.picture_files(args.pictures, ()).values()
    contents = [file.read_bytes() for file in files]
    rng, report = random.Random(args.seed), Report()
    requests = iter([*mixed(contents, args.requests, args.bad, rng)])
    begin = time.perf_counter()
    if args.rate:
        asyncio.run(steady(address, requests, args.rate, report, rng))
    else:
        asyncio.run(closed(address, requests, args.at_once, report))
    report.tell(time.perf_counter() - begin)
    return bool(report.wrong)


if __name__ == "__main__":
    sys.exit(main())
