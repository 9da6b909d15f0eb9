"""Reading picture files as RGB arrays."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Pillow can read many more formats; some of them start other programs to do so.
FORMATS = ("PNG", "JPEG", "PPM", "BMP", "GIF", "WEBP")
SUFFIXES = {".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".gif", ".webp"}
MAX_PIXELS = 64_000_000  # a file of a few kB can declare more than any memory holds

# What Pillow warns about is either harmless here or a ValueError.
warnings.filterwarnings("ignore", module=r"PIL\.")


def read(file):
    """The picture in `file`, a path or an open binary file: uint8 RGB [h, w, 3], upright.

    Grey values are repeated three times; alpha is dropped, the colours below it stand, as in the
    course; of an animation the first picture counts. Raises OSError when the file cannot be
    opened, ValueError when it holds no picture, a damaged one, or one of over 64 million pixels.
    """
    if hasattr(file, "read"):
        return _decode(file, getattr(file, "name", "picture"))
    with Path(file).open("rb") as opened:
        return _decode(opened, file)


def _decode(file, name):
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise ValueError(
            f"{name}: expected a picture of at most {MAX_PIXELS:,} pixels, found a larger one; "
            "shrink it first"
        ) from None
    except UnidentifiedImageError:
        raise ValueError(
            f"{name}: expected a picture ({', '.join(FORMATS)}), found something else"
        ) from None
    except Exception as error:  # Pillow's decoders raise whatever the damaged bytes trip
        problem = ascii(str(error)[:200])  # one line, no control characters
        raise ValueError(f"{name}: expected a whole picture, found damage: {problem}") from error


def _rgb(image):
    if image.mode[0] == "I":  # 16-bit grey: Pillow would clip it at 255, not scale it
        grey = np.rint(np.asarray(image) / np.float32(257)).astype(np.uint8)
        return np.stack([grey, grey, grey], axis=-1)
    image.info.pop("transparency", None)  # Pillow would only warn that it is dropped
    return np.array(image.convert("RGB"))


def digest(pictures):
    """Names these pictures, in this order, by their content: sha256.

    pictures: an array [n, height, width, 3], or a list of paths.
    """
    content = hashlib.sha256()
    if isinstance(pictures, np.ndarray):
        content.update(f"{pictures.dtype} {pictures.shape}".encode())
        content.update(np.ascontiguousarray(pictures))
    else:
        for path in pictures:
            with path.open("rb") as file:
                content.update(hashlib.file_digest(file, "sha256").digest())
    return content.hexdigest()
