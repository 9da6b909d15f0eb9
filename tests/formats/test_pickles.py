"""Pickles and .npy files: what loads, what is refused, and that refusing costs nothing."""

import os
import pickle
import struct
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from conftest import PROJECT

from lab.formats import pickles

# What Python 2 wrote for np.array([[0, 1, 2], [253, 254, 255]], "uint8"), as far as its data.
PYTHON_2_ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02K\x03"
    b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
    b"K\x00tb\x89"
)
PLAIN = {
    "features": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3),
    "labels": np.arange(300),
    "fortran": np.asfortranarray(np.ones((2, 3), np.float32)),
    "turned": np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0),
    "none": np.zeros((0, 3)),
    "single": np.array(2.5, np.float16),
    "foreign": np.arange(3000, dtype=">i4"),
    "names": np.array(["a", "bc", "é"]),
    "bytes": np.array([b"a", b"bc"]),
    "mask": np.array([True, False]),
    "scalars": [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("é"), np.complex64(1j)],
    "values": [1, (2, -3.5, None, True, 2**62, "é", b"x\xff", b""), [], {}, ()],
    "by number": {1: "one", np.int64(2): "two", b"three": 3},
}


@pytest.fixture
def loaded(tmp_path):
    """A function from the bytes of a file to what `load` makes of it."""

    def load(content, name="train.p"):
        path = tmp_path / name
        path.write_bytes(content)
        return pickles.load(path)

    return load


def refusal(load, content):
    """The message with which `load` refuses `content`: one line, beginning with the file."""
    with pytest.raises(ValueError, match=r"train\.p: ") as refused:
        load(content)
    message = str(refused.value)
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 600
    return message


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        found, expected = found.values(), expected.values()
    if isinstance(expected, (list, tuple, type({}.values()))):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(found, expected)


# ---- what loads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_gives_back_what_was_written(loaded, protocol):
    content = pickle.dumps(PLAIN, protocol=protocol)
    found = loaded(content)
    assert_same(found, PLAIN)
    for name, array in PLAIN.items():
        if isinstance(array, np.ndarray):
            assert found[name].dtype in (array.dtype, array.dtype.newbyteorder("="))
            assert found[name].strides == pickle.loads(content)[name].strides
            assert found[name].flags.writeable


def test_names_from_before_numpy_2_are_known(loaded):
    content = pickle.dumps(PLAIN["labels"], protocol=2)
    assert b"numpy._core" in content or b"numpy.core" in content
    for name in b"numpy.core.", b"numpy._core.":
        renamed = content.replace(b"numpy._core.", b"numpy.core.").replace(b"numpy.core.", name)
        np.testing.assert_array_equal(loaded(renamed), PLAIN["labels"])


@pytest.mark.parametrize(
    "data", [b"T\x06\x00\x00\x00\x00\x01\x02\xfd\xfe\xff", rb"S'\x00\x01\x02\xfd\xfe\xff'" + b"\n"]
)
def test_python_2_files_load_with_text_keys(loaded, data):
    content = b"\x80\x02}q\x00(U\x08featuresq\x01" + PYTHON_2_ARRAY + data + b"tbU\x01nL7L\nu."
    found = loaded(content)
    assert found.keys() == {"features", "n"}
    np.testing.assert_array_equal(found["features"], [[0, 1, 2], [253, 254, 255]])
    assert found["n"] == 7


def test_an_npy_file_of_numbers_loads_as_its_array(tmp_path):
    for array in PLAIN["features"], PLAIN["fortran"], PLAIN["names"], np.array(3.0):
        np.save(tmp_path / "array.npy", array)
        found = pickles.load(tmp_path / "array.npy")
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_an_npy_file_that_wraps_a_dict_loads_as_the_dict(tmp_path):
    weights = {"conv1": [np.ones((2, 2), np.float32), np.zeros(2, np.float32)]}
    np.save(tmp_path / "weights.npy", weights)
    assert_same(pickles.load(tmp_path / "weights.npy"), weights)


def test_the_course_file_loads_whole(lab_file):
    found = pickles.load(lab_file("train.p"))
    assert found["features"].shape == (39209, 32, 32, 3)
    assert np.bincount(found["labels"]).tolist()[:3] == [210, 2220, 2250]


# ---- what never runs -----------------------------------------------------------------------------

# (a pickle that would make the folder `ran` when run, the name its refusal gives)
PROGRAMS = {
    "GLOBAL REDUCE": (b"cposix\nmkdir\n(V{ran}\ntR.", "posix.mkdir"),
    "INST": (b"(V{ran}\niposix\nmkdir\n.", "posix.mkdir"),
    "OBJ": (b"(cposix\nmkdir\nV{ran}\no.", "posix.mkdir"),
    "STACK_GLOBAL": (b"\x80\x04\x8c\x05posix\x8c\x05mkdir\x93V{ran}\n\x85R.", "posix.mkdir"),
    "memoised name": (
        b"\x80\x04\x8c\x02os\x940\x8c\x05mkdir\x940h\x00h\x01\x93V{ran}\n\x85R.",
        "os.mkdir",
    ),
    "NEWOBJ": (b"\x80\x02cos\nmkdir\nV{ran}\n\x85\x81.", "os.mkdir"),
    "eval": (b"c__builtin__\neval\n(V__import__('os').mkdir('{ran}')\ntR.", "__builtin__.eval"),
    "exec": (b"cbuiltins\nexec\n(Vimport os; os.mkdir('{ran}')\ntR.", "builtins.exec"),
    "getattr": (b"cbuiltins\ngetattr\n(cos\nVmkdir\ntR(V{ran}\ntR.", "builtins.getattr"),
    "import": (b"cbuiltins\n__import__\n(Vos\ntR.", "builtins.__import__"),
    "dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x0bos.mkdir.ab\x93.", "numpy.os.mkdir.ab"),
    "dotted admitted": (
        b"\x80\x04\x8c\x05numpy\x8c\x11dtype.__class__.a\x93.",
        "numpy.dtype.__class__.a",
    ),
    "builtins of numpy": (b"cnumpy\n__builtins__\n.", "numpy.__builtins__"),
    "numpy runstring": (
        b"cnumpy.testing._private.utils\nrunstring\n(V1\n}tR.",
        "numpy.testing._private.utils.runstring",
    ),
    "numpy load": (b"cnumpy\nload\n(V{ran}\ntR.", "numpy.load"),
    "numpy memmap": (b"cnumpy\nmemmap\n(V{ran}\ntR.", "numpy.memmap"),
    "attrgetter": (b"coperator\nattrgetter\n(Vsystem\ntR.", "operator.attrgetter"),
    "partial": (b"cfunctools\npartial\n(cos\nmkdir\nV{ran}\ntR.", "functools.partial"),
    "pip": (b"cpip\nmain\n(Vhelp\ntR.", "pip.main"),
    "profile": (b"cprofile\nrun\n(Vimport os\ntR.", "profile.run"),
    "nested pickle": (b"c_pickle\nloads\n(C\x02N.tR.", "_pickle.loads"),
    "reconstructor": (b"ccopy_reg\n_reconstructor\n(cos\nmkdir\nNNtR.", "copy_reg._reconstructor"),
    "unknown class": (b"\x80\x03ccourse\nDataset\n)\x81}b.", "course.Dataset"),
    "matrix": (b"cnumpy\nmatrix\n)\x81.", "numpy.matrix"),
    "garbage after": (b"cposix\nmkdir\n(V{ran}\ntR\xff\xff\xff", "posix.mkdir"),
    "persistent id": (b"Pos.mkdir\n.", "PERSID"),
    "binary persistent id": (b"NQ.", "BINPERSID"),
    "extension": (b"\x80\x02\x82\x01.", "EXT1"),
    "extension 4": (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
    "out-of-band buffer": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "new object of an array": (b"\x80\x02cnumpy\nndarray\n(K\x09t\x81.", "NEWOBJ"),
    "new object with names": (b"\x80\x04cnumpy\nndarray\n)}\x92.", "NEWOBJ_EX"),
    "set": (b"\x80\x04\x8f(K\x01\x90.", "EMPTY_SET"),
    "frozen set": (b"\x80\x04(K\x01\x91.", "FROZENSET"),
    "control characters": (b"c\x1b[2J\rpo\nsystem\n.", r"\x1b[2J\rpo.system"),
    "a name of a megabyte": (b"c" + b"a" * 1_000_000 + b"\nb\n.", "a" * 80),
}


@pytest.mark.parametrize(("program", "name"), PROGRAMS.values(), ids=PROGRAMS)
def test_a_pickle_that_calls_something_is_refused_by_name(loaded, tmp_path, program, name):
    ran = tmp_path / "ran"
    message = refusal(loaded, program.replace(b"{ran}", str(ran).encode()))
    assert f"{name}: a pickle that calls it" in message or f"the opcode {name}," in message
    assert not ran.exists()


def test_the_programs_above_do_run_in_the_standard_unpickler(tmp_path):
    for name in "GLOBAL REDUCE", "INST", "STACK_GLOBAL", "eval", "exec", "memoised name":
        ran = tmp_path / name
        pickle.loads(PROGRAMS[name][0].replace(b"{ran}", str(ran).encode()))
        assert ran.exists()


def test_a_program_hidden_in_an_npy_file_is_refused(tmp_path, loaded):
    class Program:
        def __reduce__(self):
            return eval, ("1 + 1",)

    for wrapped in Program(), {"conv1": Program()}:
        np.save(tmp_path / "weights.npy", np.array(wrapped, object), allow_pickle=True)
        assert "builtins.eval" in refusal(loaded, (tmp_path / "weights.npy").read_bytes())


# ---- NumPy's own functions turned against it -----------------------------------------------------

ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n(I0\ntC\x01b\x87R"
SCALAR = b"cnumpy.core.multiarray\nscalar\n"
BUFFER = b"cnumpy.core.numeric\n_frombuffer\n"


def dtype(code):
    return b"cnumpy\ndtype\n(V" + code + b"\nI00\nI01\ntR"


ARRAYS = {
    "shape too large": ARRAY + b"(I1\n(I1099511627776\nt" + dtype(b"u1") + b"I00\nC\x01xtb.",
    "shape too small": ARRAY + b"(I1\n(I1\nt" + dtype(b"u1") + b"I00\nC\x02xxtb.",
    "negative sides": ARRAY + b"(I1\n(I-1\nI-2\nt" + dtype(b"u1") + b"I00\nC\x02xxtb.",
    "a shape of floats": ARRAY + b"(I1\n(F2.0\nt" + dtype(b"u1") + b"I00\nC\x02xxtb.",
    "33 sides": ARRAY + b"(I1\n(" + b"I1\n" * 33 + b"t" + dtype(b"u1") + b"I00\nC\x01xtb.",
    "a pointer as object": ARRAY + b"(I1\n(I1\nt" + dtype(b"O8") + b"I00\nC\x08xxxxxxxxtb.",
    "a pointer as buffer": BUFFER + b"(C\x08xxxxxxxx" + dtype(b"O8") + b"(I1\ntVC\ntR.",
    "a pointer as scalar": SCALAR + b"(" + dtype(b"O8") + b"C\x08xxxxxxxxtR.",
    "a pickle as scalar": SCALAR + b"(" + dtype(b"O8") + b"C\x02N.tR.",
    "many objects": ARRAY + b"(I1\n(I2\nt" + dtype(b"O8") + b"I00\n(NNltb.",
    "a list of fields": ARRAY + b"(I1\n(I1\nt" + dtype(b"u1,O8") + b"I00\nC\x01xtb.",
    "a repeated type": SCALAR + b"(" + dtype(b"1000000000u1") + b"C\x01xtR.",
    "raw memory": SCALAR + b"(" + dtype(b"V8") + b"C\x08xxxxxxxxtR.",
    "a type with a state": dtype(b"u1") + b"(I3\nV|\n(Va\nt}Vb\nI8\nI1\nI0\ntb.",
    "an array filled twice": ARRAY
    + b"q\x01(I1\n(I2\nt" + dtype(b"u1") + b"I00\nC\x02xxtbh\x01(I1\n(I0\nt" + dtype(b"u1")
    + b"I00\nC\x00tb.",
    "no type": ARRAY + b"(I1\n(I1\ntNI00\nC\x01xtb.",
    "a long double": SCALAR + b"(" + dtype(b"f16") + b"C\x10" + bytes(16) + b"tR.",
    "truth value 2": SCALAR.replace(b"scalar", b"_reconstruct") + ARRAY[len(SCALAR) + 7 :]
    + b"(I1\n(I1\nt" + dtype(b"b1") + b"I00\nC\x01\x02tb.",
    "arguments from an array": ARRAY + b"R.",
    "the class itself": b"cnumpy\nndarray\n.",
    "the class called": b"cnumpy\nndarray\n(I9\ntR.",
    "a type left over": dtype(b"u1") + b".",
    "items set in an array": ARRAY + b"K\x00Ns.",
    "text extended": b"(Va\n(Vb\ne.",
    "bytes under another encoding": b"c_codecs\nencode\n(Va\nVrot13\ntR.",
    "axes that are none": BUFFER + b"(C\x01x" + dtype(b"u1") + b"(I1\ntVK\n(I7\nttR.",
}  # fmt: skip


@pytest.mark.parametrize("content", ARRAYS.values(), ids=ARRAYS)
def test_an_array_is_only_made_of_the_bytes_it_needs(loaded, content):
    refusal(loaded, content)


# ---- files made to use up memory or time ---------------------------------------------------------


def doubled(step, start):
    """A value, then 60 times a container of the one before, twice."""
    return start + b"".join(b"q%c" % i + step % (i, i) for i in range(60))


NINES = b"9" * 5_000_000
BOMBS = {
    "BINBYTES8": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b".",
    "BINBYTES": b"\x80\x03B" + struct.pack("<I", 0xFFFFFFFF) + b".",
    "BYTEARRAY8": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "BINUNICODE8": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b".",
    "FRAME": b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b".",
    "LONG4": b"\x80\x02\x8b" + struct.pack("<i", 0x7FFFFFFF) + b".",
    "decimal digits": b"I" + NINES + b"\n.",
    "digits of a long": b"L" + NINES + b"L\n.",
    "hexadecimal digits": b"I0x" + NINES + b"\n.",
    "a long number": b"\x80\x02\x8b" + struct.pack("<i", 5_000_000) + NINES + b".",
    "memo number": b"NpI" + NINES + b"\n.",
    "laughing lists": doubled(b"0(h%ch%cl", b"(Nl") + b".",
    "laughing tuples": doubled(b"0h%ch%c\x86", b")") + b".",
    "laughing dicts": doubled(b"0}(K\x01h%cK\x02h%cu", b"}") + b".",
    "a laughing key": b"}" + doubled(b"0h%ch%c\x86", b")") + b"Ns.",
    "a laughing shape": ARRAY + b"(I1\n" + doubled(b"0h%ch%c\x86", b")") + dtype(b"u1")
    + b"I00\nC\x01xtb.",
    "a laughing encoding": b"c_codecs\nencode\n(Va\n" + doubled(b"0h%ch%c\x86", b")") + b"tR.",
    "a laughing order": dtype(b"u1") + b"(I3\n" + doubled(b"0h%ch%c\x86", b")") + b"NNNI-1\nI-1\n"
    + b"I0\ntb.",
    "laughing axes": BUFFER + b"(C\x01x" + dtype(b"u1") + b"(I1\ntVK\n"
    + doubled(b"0h%ch%c\x86", b")") + b"tR.",
    "a list in itself": b"]q\x00h\x00a.",
    "nested lists": b"]" * 100_000 + b"a" * 99_999 + b".",
    "nested tuples": b")" + b"\x85" * 100_000 + b".",
    "a nested key": b"})" + b"\x85" * 100_000 + b"Ns.",
    "colliding keys": b"}(" + b"".join(
        b"\x8a\x0a" + ((2**61 - 1) * i).to_bytes(10, "little") + b"N" for i in range(20_000)
    ) + b"u.",
    "one array many times": ARRAY + b"(I1\n(I100000\nt" + dtype(b"u1") + b"I00\nB"
    + struct.pack("<I", 100_000) + bytes(100_000) + b"tbq\x00(" + b"h\x00" * 9_000 + b"l.",
    "one text encoded again and again": b"X" + struct.pack("<I", 100_000) + b"a" * 100_000
    + b"Vlatin1\n\x86q\x00c_codecs\nencode\nq\x01(" + b"h\x01h\x00R" * 9_000 + b"l.",
    "more steps than data": b"(" + b"}" * 600_000 + b"l.",
}  # fmt: skip


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_bomb_costs_seconds_and_a_small_multiple_of_its_size(loaded, content, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_STEPS", 500_000)  # as the files here are small
    tracemalloc.start()
    started = time.perf_counter()
    try:
        refusal(loaded, content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - started < 15  # traced, on a busy machine; 0.1 otherwise
    assert peak < 1_000_000 + 100 * len(content)


def test_a_file_that_unfolds_to_more_items_than_it_may_take_steps_is_refused(loaded, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_STEPS", 20_000)
    text = b"X" + struct.pack("<I", 100_000) + b"a" * 100_000
    thousand = b"(" + b"N" * 1000 + b"lq\x00"
    assert "unfolds to far more" in refusal(loaded, b"(" + text + thousand + b"h\x00" * 20 + b"l.")
    loaded(b"(" + text + thousand + b"h\x00" * 10 + b"l.")


@pytest.mark.parametrize(("protocol", "copies"), [(0, 3), (2, 3), (3, 1), (4, 1), (5, 1)])
def test_an_array_is_held_once(loaded, tmp_path, protocol, copies):
    array = np.random.default_rng(0).integers(0, 256, (1000, 32, 32, 3), np.uint8)
    path = tmp_path / "train.p"
    path.write_bytes(pickle.dumps({"features": array}, protocol=protocol))
    tracemalloc.start()
    try:
        pickles.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (copies + 0.1) * path.stat().st_size


# ---- files that are something else ---------------------------------------------------------------

OTHERS = {
    "empty": (b"", "cut short after 0 bytes"),
    "a web page": (b"<!DOCTYPE html><html>", "begins with b'<!DOCTYPE ht'"),
    "a zip archive": (b"PK\x03\x04\x14\x00\x00", "PERSID"),
    "gzip": (b"\x1f\x8b\x08\x00", "damage or another format"),
    "a pointer of git lfs": (b"version https://git-lfs.github.com/spec/v1\n", "another format"),
    "nothing on the stack": (b".", "damage or another format"),
    "a missing memo": (b"h\x05.", "damage or another format"),
    "an unknown protocol": (b"\x80\x09N.", "damage or another format"),
    "bytes that are no text": (b"\x80\x04\x8c\x02\xff\xfe.", "damage or another format"),
    "npy version 9": (b"\x93NUMPY\x09\x00\x00\x00", "found (9, 0)"),
    "npy header cut": (b"\x93NUMPY\x01\x00\x76\x00{'descr'", "cut short"),
    "npy header too long": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'", "cut short"),
    "npy of huge shape": (
        b"\x93NUMPY\x01\x00\x4f\x00"
        + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }".ljust(78)
        + b"\n",
        "cut short",
    ),
    "npy of negative shape": (
        b"\x93NUMPY\x01\x00\x4f\x00"
        + b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -4), }".ljust(78)
        + b"\nabcd",
        "expected an array of numbers",
    ),
    "npy of fields": (
        b"\x93NUMPY\x01\x00\x4f\x00"
        + b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }".ljust(78)
        + b"\nabcd",
        "expected an array of numbers",
    ),
    "npy of long doubles": (
        b"\x93NUMPY\x01\x00\x4f\x00"
        + b"{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }".ljust(78)
        + b"\n"
        + bytes(16),
        "expected an array of numbers",
    ),
    "npy of deep brackets": (b"\x93NUMPY\x01\x00\x00\x20" + b"[" * 8192, "another format"),
}


@pytest.mark.parametrize(("content", "text"), OTHERS.values(), ids=OTHERS)
def test_another_file_is_one_line_that_says_what_was_found(loaded, content, text):
    assert text in refusal(loaded, content)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_cut_anywhere_is_one_line(loaded, protocol):
    whole = pickle.dumps({"features": PLAIN["features"], "names": ["a"]}, protocol=protocol)
    for length in range(len(whole)):
        assert "download it again" in refusal(loaded, whole[:length])


def test_a_missing_file_and_a_folder_are_errors_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.p"):
        pickles.load(tmp_path / "absent.p")
    with pytest.raises(IsADirectoryError):
        pickles.load(tmp_path)


def test_a_pipe_is_refused_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "train.p")
    with pytest.raises(ValueError, match=r"train\.p: expected a file, found a pipe"):
        pickles.load(tmp_path / "train.p")


def test_loading_imports_nothing_the_file_names(tmp_path):
    (tmp_path / "a.p").write_bytes(b"cantigravity\ngeohash\n.")
    program = f"""
import sys
from lab.formats import pickles
try:
    pickles.load({str(tmp_path / "a.p")!r})
except ValueError as error:
    print(error, "antigravity" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=PROJECT, capture_output=True, text=True
    )
    assert "antigravity.geohash" in done.stdout
    assert done.stdout.endswith("False\n")
    assert done.stderr == ""
