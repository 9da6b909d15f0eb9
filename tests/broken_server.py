"""A web server on the loopback interface that fails in every way servers fail.

with BrokenServer({"/file": BODY}) as server:
    server.script("/file", stalls, resets)  # the first two replies; then it behaves
    requests.get(server.url + "/file")
    server.asked                            # [(path, headers of the request), ...]
"""

import gzip
import os
import random
import re
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = random.Random(0).randbytes(1_000_003)
TAG = '"first edition"'


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        body = self.server.files.get(self.path)
        script = self.server.scripts.get(self.path, [])
        if body is None:
            return missing(self, b"")
        return (script.pop(0) if script else self.server.manners)(self, body)

    def reply(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def wanted(self):
        """The first byte the client asks for, None when it asks for the whole file."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else None

    def log_message(self, *_):
        pass


class BrokenServer(ThreadingHTTPServer):
    """Serves `files` (path -> bytes); stops at the end of the with block."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, files, manners=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.manners = files, manners or behaves
        self.scripts, self.asked, self.tag = {}, [], TAG
        self.url = f"http://127.0.0.1:{self.server_port}"

    def script(self, path, *replies):
        self.scripts[path] = list(replies)

    def handle_error(self, request, client_address):
        """Clients hang up on a broken server: no news."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


# Each reply below is one way to answer a request for `body`.


def behaves(handler, body):
    """All of it, or the range asked for when If-Range names the edition that is served."""
    start, tag = handler.wanted(), handler.server.tag
    if start is None or handler.headers.get("If-Range", tag) != tag:
        handler.reply(200, {"Content-Length": len(body), "ETag": tag}, body)
    elif start >= len(body):
        handler.reply(416, {"Content-Range": f"bytes */{len(body)}"})
    else:
        rest = f"bytes {start}-{len(body) - 1}/{len(body)}"
        headers = {"Content-Range": rest, "Content-Length": len(body) - start, "ETag": tag}
        handler.reply(206, headers, body[start:])


def half(handler, body):
    start = handler.wanted() or 0
    cut = body[start : (start + len(body)) // 2 + 1]
    headers = {"Content-Length": len(body) - start, "ETag": handler.server.tag}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
    handler.reply(206 if start else 200, headers, cut)
    handler.wfile.flush()


def truncates(handler, body):
    """Promises all, sends half of what is missing, hangs up politely."""
    half(handler, body)


def truncates_without_a_length(handler, body):
    """Sends half and closes, which without a Content-Length looks like the end."""
    handler.reply(200, {}, body[: len(body) // 2])


def stalls(handler, body):
    """Sends half of what is missing, then nothing."""
    half(handler, body)
    time.sleep(1)


def says_nothing(handler, body):
    time.sleep(1)


def resets(handler, body):
    """Sends half of what is missing, then breaks the connection off (RST)."""
    half(handler, body)
    time.sleep(0.02)  # a reset overtakes what has not been read yet
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(handler.connection.detach())


def ignores_ranges(handler, body):
    handler.reply(200, {"Content-Length": len(body)}, body)


def ignores_ranges_and_truncates(handler, body):
    handler.reply(200, {"Content-Length": len(body)}, body[: len(body) // 2])


def resumes_elsewhere(handler, body):
    """Answers a range with another range."""
    if handler.wanted() is None:
        return behaves(handler, body)
    headers = {"Content-Range": f"bytes 0-{len(body) - 1}/{len(body)}"}
    return handler.reply(206, headers | {"Content-Length": len(body)}, body)


def resumes_another_file(handler, body):
    """Answers a range of a file that has another length."""
    start, total = handler.wanted(), len(body) + 7
    headers = {"Content-Range": f"bytes {start}-{total - 1}/{total}", "Content-Length": 3}
    handler.reply(206, headers, b"xyz")


def resumes_another_edition(handler, body):
    """Ignores If-Range: continues in a file of the same length that has another tag."""
    behaves_with(handler, body, {"ETag": '"another edition"'})


def resumes_without_a_tag(handler, body):
    behaves_with(handler, body, {})


def resumes_unasked(handler, body):
    """Goes on at half of the file whatever it is asked for."""
    start = len(body) // 2
    rest = f"bytes {start}-{len(body) - 1}/{len(body)}"
    handler.reply(206, {"Content-Range": rest, "Content-Length": len(body) - start}, body[start:])


def behaves_with(handler, body, headers):
    """The range asked for, and beside the usual headers these."""
    start = handler.wanted()
    rest = f"bytes {start}-{len(body) - 1}/{len(body)}"
    headers = {"Content-Range": rest, "Content-Length": len(body) - start, **headers}
    handler.reply(206, headers, body[start:])


def refuses_ranges(handler, body):
    if handler.wanted() is None:
        return behaves(handler, body)
    return handler.reply(416, {"Content-Range": f"bytes */{len(body)}"})


def promises_less(handler, body):
    handler.reply(200, {"Content-Length": len(body) - 5}, body)


def promises_more(handler, body):
    handler.reply(200, {"Content-Length": len(body) + 5}, body)


def sends_too_much(handler, body):
    handler.reply(200, {}, body * 3)


def redirects_to(place):
    def redirects(handler, body):
        handler.reply(302, {"Location": place, "Content-Length": 0})

    return redirects


def redirects_and_talks_on(handler, body):
    """A redirect to a good file, whose own body does not end."""
    handler.reply(302, {"Location": "/good.bin"})
    repeat(handler, bytes(1 << 16))


def repeat(handler, piece, pause=0.0):
    """Send the same again and again until the client hangs up, or a minute has passed."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        handler.wfile.write(piece)
        handler.wfile.flush()
        time.sleep(pause)


def continues_forever(handler, body):
    """Says "100 Continue" and never what comes then."""
    repeat(handler, b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.001)


def spells_out_its_headers(handler, body):
    """A header without end, a letter at a time."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Patience: ")
    repeat(handler, b"z", pause=0.02)


def crawls(handler, body):
    """Sends a byte of the file at a time."""
    handler.reply(200, {"Content-Length": len(body)})
    repeat(handler, b"x", pause=0.02)


def spells_out_a_chunk_size(handler, body):
    handler.reply(200, {"Transfer-Encoding": "chunked"})
    repeat(handler, b"0", pause=0.02)


def talks_on_behind_the_end(handler, body):
    """All of the file in chunks, and then trailers without end."""
    handler.reply(200, {"Transfer-Encoding": "chunked"})
    handler.wfile.write(b"%x\r\n%b\r\n0\r\n" % (len(body), body))
    repeat(handler, b"X-And-Another: thing\r\n", pause=0.001)


def forges_lines(handler, body):
    """A reason that would write to the terminal what it likes."""
    handler.wfile.write(b"HTTP/1.1 404 no\x1b[2J\x9b2J\rfile.bin: fetched, verified\r\n\r\n")


def forgets_a_colon(handler, body):
    """A header that is none, which the network library tells its log at length."""
    start = b"HTTP/1.1 404 Not Found\r\nthis is no header\x1b[2J\r\n"
    handler.wfile.write(start + b"Content-Length: 0\r\n\r\n")


def missing(handler, body):
    handler.reply(404, {"Content-Type": "text/html"}, b"<html>gone</html>")


def fails(handler, body):
    handler.reply(500, {}, b"oops")


def sends_a_page(handler, body):
    page = b"<!DOCTYPE html><title>Please log in</title>"
    handler.reply(200, {"Content-Type": "text/html; charset=utf-8"}, page)


def sends_an_unlabelled_page(handler, body):
    handler.reply(200, {}, b"\n <html>Please log in</html>")


def sends_wrong_bytes(handler, body):
    handler.reply(200, {"Content-Length": len(body)}, body[::-1])


def compresses(handler, body):
    """Applies a content coding nobody asked for."""
    packed = gzip.compress(body)
    handler.reply(200, {"Content-Encoding": "gzip", "Content-Length": len(packed)}, packed)


def labels_as_compressed(handler, body):
    """The file as it is, but called compressed: what some servers do to every .tgz."""
    handler.reply(200, {"Content-Encoding": "gzip", "Content-Length": len(body)}, body)


def drips(handler, body, pieces=20, pause=0.01):
    """All of it, in pieces with seconds between them; understands ranges."""
    start, total = handler.wanted() or 0, len(body)
    headers = {"Content-Length": total - start, "ETag": handler.server.tag}
    if start:
        headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
    handler.reply(206 if start else 200, headers)
    step = total // pieces + 1
    for place in range(start, total, step):
        handler.wfile.write(body[place : min(place + step, total)])
        time.sleep(pause)
