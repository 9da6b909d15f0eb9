"""Reading pickles without running them.

A pickle is a program: opcodes that push values, and may call any Python function by its name.
`load` steps through it with the standard library's own interpreter, the one written in Python,
whose steps can be replaced. Of its opcodes only those remain that plain data needs; of all names
only those NumPy writes for arrays, which mean functions of this file. Those check that the bytes
are there before an array is made of them, so memory and time stay within a small multiple of the
file, however the file was made.
"""

import io
import math
import os
import pickle
import pickletools
import re

import numpy as np

from lab.formats import files

MAX_STEPS = 2_000_000  # opcodes; train.p takes 148, a list of 39,209 separate pictures 1.2 million
MAX_DEPTH = 50  # containers within containers
AGAIN = "download it again"

NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class _Refused(Exception):
    """The file asks for what plain data does not need; the text completes `train.p: ...`."""


def load(path):
    """What the pickle or `.npy` file `path` holds: dicts, lists, tuples, text, numbers, arrays.

    Any protocol, of Python 2 too (its byte strings become text, read as latin1). An array that
    only wraps one Python object, as `np.save` writes a dict, comes back as that object.

    Raises OSError when `path` cannot be read, ValueError (one line) when it holds anything else.
    """
    with _File(files.opened(path).detach()) as file:
        start = file.peek(12)[:12]
        try:
            is_array = start.startswith(np.lib.format.MAGIC_PREFIX)
            content = _read_npy(file) if is_array else _Unpickler(file).load()
            _check_plain(content, limit=4 * file.size)
        except OSError:
            raise
        except _Refused as error:
            raise ValueError(f"{path}: {error}") from None
        except EOFError:
            expected = "expected a whole pickle or .npy file"
            raise ValueError(
                f"{path}: is cut short after {file.size:,} bytes: {expected}; {AGAIN}"
            ) from None
        except MemoryError:
            raise ValueError(
                f"{path}: more than the free memory is needed for its {file.size:,} bytes"
            ) from None
        except Exception as error:  # whatever damaged opcodes trip in the interpreter
            raise ValueError(
                f"{path}: expected a pickle or .npy file, found damage or another format "
                f"(it begins with {start!r}); {AGAIN}"
            ) from error
    return content


class _File(io.BufferedReader):
    """A file that gives all bytes asked for or none, and reserves no memory for missing ones."""

    @property
    def size(self):
        return os.fstat(self.fileno()).st_size

    def read(self, count):
        if count > io.DEFAULT_BUFFER_SIZE and count > self.size - self.tell():
            raise EOFError
        data = super().read(count)
        if len(data) < count:
            raise EOFError
        return data

    def readline(self):
        line = super().readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line


def _read_npy(file):
    version = np.lib.format.read_magic(file)
    if version not in NPY_HEADERS:
        raise _Refused(f"expected .npy format 1.0 or 2.0, found {version}")
    shape, _, dtype = NPY_HEADERS[version](file)
    if dtype.kind == "O" and shape == ():
        return _Unpickler(file).load()
    if dtype.kind not in "biufcSU" or dtype.char in "gG" or any(side < 0 for side in shape):
        raise _Refused(f"expected an array of numbers or text, found {_shown(f'{dtype} {shape}')}")
    if math.prod(shape) * dtype.itemsize > file.size - file.tell():
        raise EOFError
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _check_plain(content, limit):
    """Refuse all but plain data, and what unfolds to over MAX_STEPS items or `limit` of all kinds.

    A few bytes can say "a list of that list, twice" again and again. Whoever walks through the
    result, or makes an array of it, would meet 2, 4, 8, 16, ... parts: they are counted here.
    """
    waiting, items, total = [(content, 0)], 0, 0
    while waiting:
        value, depth = waiting.pop()
        inside = ()
        if type(value) in (list, tuple, dict):
            inside = value.values() if type(value) is dict else value
            items += len(inside)
        elif isinstance(value, (np.ndarray, np.generic)):
            total += value.nbytes
            if value.dtype.kind == "b" and np.any(value.view(np.uint8) > 1):
                raise _Refused("expected truth values 0 or 1: NumPy writes past masks of others")
        elif type(value) in (str, bytes):
            total += len(value)
        elif type(value) is int:
            if not -(2**63) <= value < 2**63:
                raise _Refused("expected whole numbers of at most 64 bits")
        elif value is not None and type(value) not in (bool, float):
            raise _Refused(f"expected plain data, found a {type(value).__name__}")
        if items > MAX_STEPS or items + total > limit or depth > MAX_DEPTH:
            raise _Refused("unfolds to far more than the file's own bytes, or is nested too deep")
        waiting.extend((item, depth + 1) for item in inside)


def _shown(text):
    """Foreign text for a message: one short line, no control characters."""
    return ascii(text[:80])[1:-1]


# ---- what the names in a pickle stand for -------------------------------------------------------


class _ElementType:
    """Stands for `numpy.dtype`: plain elements, or one Python object."""

    def __init__(self, code, align=False, copy=True):
        if not re.fullmatch(r"b1|[iu][1248]|f[248]|c(8|16)|[SU][1-9][0-9]{0,6}|O[48]", code):
            raise _Refused(f"expected an array of numbers or text, found type {_shown(code)}")
        self.dtype = np.dtype(code)

    def set_byte_order(self, state):
        order, structure = state[1], state[2:5]
        if order not in ("<", ">", "|", "=") or structure != (None, None, None):
            raise _Refused("expected an array of numbers or text, found a structured type")
        self.dtype = self.dtype.newbyteorder(order)


def _empty_array(*_):
    """Stands for `numpy.core.multiarray._reconstruct`: filled by the BUILD opcode that follows."""
    return np.ndarray(0, np.uint8)


def _fill(array, shape, kind, fortran, data):
    """Fill an empty array with exactly the bytes its shape and element type take."""
    data = data.encode("latin1") if type(data) is str else data  # Python 2
    types = [type(value) for value in (kind, shape, data)]
    if types != [_ElementType, tuple, bytes] or kind.dtype.kind == "O" or len(shape) > 32:
        raise _Refused("expected an array of numbers or text, found another")
    if not all(type(side) is int and 0 <= side < 2**48 for side in shape):
        raise _Refused("expected the sides of an array, found other values")
    if math.prod(shape) * kind.dtype.itemsize != len(data):
        declared = f"{kind.dtype} {list(shape)}"
        raise _Refused(f"declares an array {declared} over {len(data):,} bytes; {AGAIN}")
    # NumPy takes over the memory of `data`: the array costs no second copy.
    array.__setstate__((1, shape, kind.dtype, bool(fortran), data))
    return array


def _from_buffer(data, kind, shape, order, axes=None):
    """Stands for `numpy.core.numeric._frombuffer`, which protocol 5 calls."""
    array = _fill(_empty_array(), shape, kind, order == "F", data)
    return array if axes is None else array.transpose(axes)


def _scalar(kind, data):
    """Stands for `numpy.core.multiarray.scalar`."""
    return _fill(_empty_array(), (), kind, False, data)[()]


def _encode(text, encoding):
    """Stands for `_codecs.encode`, in which Python 3 writes bytes for Python 2."""
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise _Refused("expected bytes written as latin1 text, found others")
    return text.encode("latin1")


def _no_bytes():
    """Stands for `bytes`, in which Python 3 writes b"" for Python 2."""
    return b""


NAMES = {
    "numpy.ndarray": object(),  # only ever an argument of _reconstruct
    "numpy.dtype": _ElementType,
    "numpy.core.multiarray._reconstruct": _empty_array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "_codecs.encode": _encode,
    "__builtin__.bytes": _no_bytes,
}


# ---- the interpreter ----------------------------------------------------------------------------

OPCODES = """
    PROTO FRAME STOP MARK POP POP_MARK DUP GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE
    NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8
    SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8 TUPLE EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3
    LIST EMPTY_LIST APPEND APPENDS DICT EMPTY_DICT SETITEM SETITEMS
    GLOBAL INST STACK_GLOBAL REDUCE BUILD
"""


class _Steps(dict):
    """Opcode -> the method of `_Unpickler` for it; counts them, refuses all but `OPCODES`."""

    def __init__(self):
        self.count = 0
        for code in (getattr(pickle, name)[0] for name in OPCODES.split()):
            name = pickle._Unpickler.dispatch[code].__name__
            self[code] = getattr(_Unpickler, name)

    def __getitem__(self, opcode):
        self.count += 1
        if self.count > MAX_STEPS:
            raise _Refused(f"takes more than {MAX_STEPS:,} steps to read")
        return super().__getitem__(opcode)

    def __missing__(self, opcode):
        known = pickletools.code2op[chr(opcode)]  # KeyError: this is no pickle
        raise _Refused(f"refuses the opcode {known.name}, which plain data does not need")


class _Unpickler(pickle._Unpickler):
    """Plain data from an open `_File`."""

    def __init__(self, file):
        super().__init__(file, encoding="latin1")
        self.dispatch = _Steps()
        self.bytes_left = 2 * file.size  # each byte becomes `bytes` once and array memory once

    def find_class(self, module, name):
        # NumPy 2 moved numpy.core; Python 3 renamed __builtin__.
        full = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        full = full.replace("builtins.", "__builtin__.")
        if full not in NAMES:
            raise _Refused(
                f"refuses to load {_shown(f'{module}.{name}')}: a pickle that calls it can run any "
                "program; expected only NumPy arrays and plain data"
            )
        return NAMES[full]

    def load_reduce(self):
        self._spend(self.stack[-1])
        super().load_reduce()

    def load_build(self):
        state, target = self.stack.pop(), self.stack[-1]
        self._spend(state)
        if type(target) is _ElementType:
            target.set_byte_order(state)
        elif type(target) is not np.ndarray or target.size:
            raise _Refused("refuses to set the state of what is no new array")
        elif state[2].dtype.kind == "O":
            self.stack[-1] = _wrapped(*state)
        else:
            _fill(target, *state[1:])

    def _spend(self, values):
        """Count the bytes about to be copied: a pickle can ask for the same ones again."""
        if type(values) is not tuple or len(values) > 9:
            raise _Refused("expected the few arguments NumPy writes, found others")
        self.bytes_left -= sum(len(value) for value in values if type(value) in (str, bytes))
        if self.bytes_left < 0:
            raise _Refused("uses its own bytes more than once")

    def load_append(self):
        self._extend([self.stack.pop()])

    def load_appends(self):
        self._extend(self.pop_mark())

    def _extend(self, items):
        if type(self.stack[-1]) is not list:
            raise _Refused("refuses to append to what is no list")
        self.stack[-1].extend(items)

    def load_dict(self):
        items = self.pop_mark()
        self.append({})
        self._update(items)

    def load_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def load_setitems(self):
        self._update(self.pop_mark())

    def _update(self, items):
        if type(self.stack[-1]) is not dict or not all(map(_is_key, items[::2])):
            raise _Refused("expected dicts with keys of text or whole numbers, found others")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    # The same eight bytes of length, then the data; NumPy takes bytes over without a copy.
    load_bytearray8 = pickle._Unpickler.load_binbytes8
    # Both begin with a name; none of those admitted is ever written in this way.
    load_inst = pickle._Unpickler.load_global


def _is_key(key):
    """Long numbers and nested tuples can be chosen so that a dict takes forever to find them."""
    if isinstance(key, (int, np.integer)):
        return -(2**31) <= key < 2**31
    return type(key) in (str, bytes)


def _wrapped(version, shape, kind, fortran, items):
    """The one object in an array [] of objects. Others are refused: arrays nested in arrays
    without end would overflow the C stack when they are freed."""
    if shape != () or type(items) is not list or len(items) != 1:
        raise _Refused("expected an array of numbers or text, found one of Python objects")
    return items[0]
