"""Reading picture files as RGB arrays: in many threads, however large or hostile the files."""

import hashlib
import io
import math
import os
import re
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from threading import Condition

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lab.formats import files

# Pillow can read many more formats; some of them start other programs to do so.
FORMATS = ("PNG", "JPEG", "PPM", "BMP", "GIF", "WEBP")
SUFFIXES = {".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".gif", ".webp"}
MAX_PIXELS = 64_000_000  # a file of a few kB can declare more than any memory holds
MAX_BYTES = 2**28  # 64 million pixels that nobody packed are 192 MB
MAX_SECONDS = 10  # of the processor's time, for one picture; the largest take two or three

# Memory taken in pieces of over 32 MB goes back to the system. Of Pillow's usual pieces, of 16 MB,
# the C library would keep those of every thread.
Image.core.set_block_size(2**26)

# What Pillow warns about is either harmless here or a ValueError.
warnings.filterwarnings("ignore", module=r"PIL\.")


class NoPicture(ValueError):
    """The file is of no format that is read."""


class TooLarge(ValueError):
    """The picture has more pixels than are read."""


def read(file, at_least=None):
    """The picture in `file`, a path or an open binary file: uint8 RGB [h, w, 3], upright.

    Grey values are repeated three times; alpha is dropped, the colours below it stand, as in the
    course; of an animation the first picture counts.

    at_least: pixels a side that suffice. A picture at least 2, 4 or 8 times as large comes smaller
        by that factor, each pixel the mean of those it replaces, and no side comes longer than 16
        times `at_least`. A JPEG shrinks while it is decoded, which is several times faster.

    Any number of threads may read at once; those for which there is no memory wait. Raises OSError
    when the file cannot be opened, NoPicture when it holds none, TooLarge for over 64 million
    pixels, ValueError for a damaged picture, or one that takes too long to decode.
    """
    with held(file, at_least) as picture:
        return picture


@contextmanager
def held(file, at_least=None, more=0):
    """`read`, with its memory reserved until the block ends, and `more` bytes for each pixel."""
    with ExitStack() as memory:  # of what `_read` holds, all is let go by then
        yield _read(file, at_least, more, memory)


def check(path):
    """Raise what `read` would for what the head of the file tells; no pixel is decoded."""
    with _opened(path):
        pass


def in_threads(function, paths):
    """`function` of each path, in order: pictures are decoded outside Python's lock.

    A thousand at a time: of a larger folder neither tasks nor results pile up.
    """
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), 1000):
            yield from pool.map(function, paths[start : start + 1000])


def broken(paths, decode):
    """The rows of `paths` that hold no picture: by their heads, with `decode` by all they hold."""

    def is_broken(path):
        try:
            if decode:
                read(path, at_least=1)
            else:
                check(path)
        except (OSError, ValueError):
            return True
        return False

    return [row for row, flag in enumerate(in_threads(is_broken, paths)) if flag]


def digest(pictures):
    """Names these pictures, in this order, by their content: sha256.

    pictures: an array [n, height, width, 3], or a list of arrays [height, width, 3] and paths.
    """
    content = hashlib.sha256()
    if isinstance(pictures, np.ndarray):
        content.update(f"{pictures.dtype} {pictures.shape}".encode())
        content.update(np.ascontiguousarray(pictures))
        return content.hexdigest()
    for picture in pictures:
        if isinstance(picture, np.ndarray):
            content.update(digest(picture).encode())
        else:
            with files.opened(picture) as file:
                content.update(hashlib.file_digest(file, "sha256").digest())
    return content.hexdigest()


# ---- bounds: memory over all threads, time for each picture --------------------------------------


class Memory:
    """Bytes that all threads together may use; who asks for more than is left waits."""

    def __init__(self, total):
        self.total = self.left = total
        self.changed = Condition()

    @contextmanager
    def reserved(self, amount):
        amount = min(amount, self.total)  # one alone is never refused
        with self.changed:
            self.changed.wait_for(lambda: amount <= self.left)
            self.left -= amount
        try:
            yield
        finally:
            with self.changed:
                self.left += amount
                self.changed.notify_all()


# Who holds some of the second never waits for the first, so nobody waits for ever.
FILES = Memory(200_000_000)  # whole files, before they are decoded
DECODED = Memory(700_000_000)
# Pillow holds a pixel in 4 bytes, twice where it must be converted, the array another 3; WebP's
# decoder keeps two pictures of its own.
BYTES_A_PIXEL = {"WEBP": 16}


class _Timed:
    """A picture's file, which cannot be read for longer than a decoder may work at it."""

    def __init__(self, file):
        self.file, self.seek, self.tell = file, file.seek, file.tell
        self.end = time.thread_time() + MAX_SECONDS

    def read(self, *size):
        if time.thread_time() > self.end:
            raise _Refused(f"takes more than {MAX_SECONDS} seconds to decode; save it as PNG")
        return self.file.read(*size)


class _Refused(Exception):
    """The picture asks for more than pictures need; the text completes `sign.png: ...`."""


# ---- from a file to an array ---------------------------------------------------------------------


def _read(file, at_least, more, memory):
    with _opened(file) as image:
        coefficients = _coefficients(image)
        factor = _factor(image.size, at_least) if at_least else 1
        if factor > 1 and image.draft(None, (at_least, at_least)):  # a JPEG
            factor = 1
        decoded = image.width * image.height * (BYTES_A_PIXEL.get(image.format, 11) + more)
        memory.enter_context(DECODED.reserved(coefficients + decoded))
        return _array(_rgb(image, factor, 16 * (at_least or math.inf)))


@contextmanager
def _opened(file):
    """The picture in `file`, of which only the head is decoded so far.

    What its decoder trips over, here or in the caller's hands, becomes a ValueError of one line.
    """
    with _stream(file) as (stream, name):
        try:
            with Image.open(_Timed(_checked(stream)), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                yield image
        except Image.DecompressionBombError:
            raise TooLarge(
                f"{name}: expected a picture of at most {MAX_PIXELS:,} pixels, found a larger one; "
                "shrink it first"
            ) from None
        except UnidentifiedImageError:
            raise NoPicture(
                f"{name}: expected a picture ({', '.join(FORMATS)}), found something else"
            ) from None
        except _Refused as refused:
            raise ValueError(f"{name}: {refused}") from None
        except Exception as error:  # Pillow's decoders raise whatever the damaged bytes trip
            problem = ascii(str(error)[:200])  # one line, no control characters
            raise ValueError(
                f"{name}: expected a whole picture, found damage: {problem}"
            ) from error


@contextmanager
def _stream(file):
    """`file` to read bytes from, and its name."""
    if hasattr(file, "read"):
        yield file, getattr(file, "name", "picture")
        return
    with files.opened(file) as opened, FILES.reserved(os.fstat(opened.fileno()).st_size):
        yield opened, file


def _checked(stream):
    """`stream`, at its beginning, if it is not too large; without comments where it is text."""
    if stream.seek(0, os.SEEK_END) > MAX_BYTES:
        raise _Refused(f"expected a picture of at most {MAX_BYTES:,} bytes, found more")
    stream.seek(0)
    text = stream.read(2) in (b"P1", b"P2", b"P3")
    stream.seek(0)
    # At each comment Pillow would copy a megabyte of the file.
    return io.BytesIO(re.sub(rb"#[^\r\n]*", b"", stream.read())) if text else stream


SEGMENT = re.compile(rb"\xff+([\x02-\xcf\xd8-\xfe])")  # all marks but those inside a scan
SCAN, END = b"\xda", b"\xd9"


def _segments(content):
    """Of each segment of a JPEG its mark, and where its length and content begin."""
    place = 2
    while (found := SEGMENT.search(content, place)) and found[1] != END:
        yield found[1], found.end()
        place = found.end() + int.from_bytes(content[found.end() : found.end() + 2])


def _coefficients(image):
    """Bytes kept until a JPEG sent in several scans is complete: 2 for each number, 4 a pixel.

    A scan can go through the whole picture again and be a hundred bytes long, so they are counted:
    encoders make about ten, each with a table before it.
    """
    if image.format not in ("JPEG", "MPO"):
        return 0
    image.fp.seek(0)
    content = image.fp.read()
    segments = _segments(content)
    first = next((at for mark, at in islice(segments, 10_000) if mark == SCAN), None)
    if first is None:
        raise _Refused("expected a JPEG, found ten thousand segments without a picture")
    if "progressive" not in image.info and content[first + 2] == image.layers:
        return 0
    if len(list(islice(segments, 200))) == 200:
        raise _Refused(
            "expected a JPEG of about ten scans, found a hundred or more; save it as PNG"
        )
    return 8 * image.width * image.height


def _factor(size, at_least):
    """The largest of 8, 4 and 2 by which a picture may shrink, else 1."""
    return next((factor for factor in (8, 4, 2) if min(size) >= factor * at_least), 1)


def _rgb(image, factor, longest):
    """`image` in mode RGB, upright, `factor` times smaller, and no side above `longest` pixels."""
    if image.mode[0] == "I":  # 16-bit grey: Pillow would clip it at 255, not scale it
        image = image.convert("I").point(GREY_OF_16_BITS, "L")
    image.info.pop("transparency", None)  # Pillow would only warn that it is dropped
    if image.mode != "RGB":
        with closing(image):  # Pillow holds each pixel in 4 bytes: once is enough
            image = image.convert("RGB")
    factors = tuple(max(factor, math.ceil(side / longest)) for side in image.size)
    if max(factors) > 1:
        image = image.reduce(factors)
    ImageOps.exif_transpose(image, in_place=True)
    return image


GREY_OF_16_BITS = [round(grey / 257) for grey in range(2**16)]


def _array(image, rows=1024):
    """uint8 [h, w, 3]. A few rows at a time: NumPy alone would hold them all twice."""
    array = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        array[top:bottom] = image.crop((0, top, image.width, bottom))
    return array
