"""The short form of `python tests/fuzz_readers.py`, and proof that it sees what it looks for."""

import os
import re
import subprocess
import sys

import pytest
from conftest import PROJECT
from fuzz_readers import READERS


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.fixture(scope="module")
def short_run():
    return run("tests/fuzz_readers.py", "--count", "100")


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_end_in_the_documented_errors_and_nothing_else(short_run, name):
    row = re.search(rf"(?m)^{name} +100 +(\d+) +(\d+) .* (\d+)$", short_run.stdout)
    loaded, refused, failures = map(int, row.groups())
    assert failures == 0, short_run.stdout
    assert loaded > 0
    assert refused > 0
    assert loaded + refused == 100


# A misdeed for each reader, and what the run must say of it.
PLANTED = {
    "raises": ("{}[0]", "raises KeyError"),
    "nameless": ("int('x')", "says invalid literal"),
    "imports": ("sys.modules.pop('colorsys', 0), __import__('colorsys')", "does .*import colorsys"),
    "executes": ("eval('1')", "does exec"),
    "unpickles": (r"pickle.loads(b'cbuiltins\nlen\n.')", "does pickle.find_class"),
    "calls": ("os.system('true')", "does os.system"),
    "forks": ("os.fork() or os._exit(0), os.wait()", "does os.fork"),
    "writes": ("path.with_suffix('.y').open('w').close()", "does open"),
    "bloats": ("bytearray(b'x') * 90_000_000", r"takes \d+ MB, over 64"),
    "grows": ("kept.append(bytearray(b'x') * 30_000_000)", r"keeps \d+ MB, over 64"),
    "hangs": ("time.sleep(60)", "ends by signal 14"),
    "crashes": ("os.abort()", "ends by signal 6"),
}
MISDEEDS = ", ".join(f"{name!r}: lambda path: ({code})" for name, (code, _) in PLANTED.items())
PROGRAM = f"""
import os, pickle, sys, time
sys.path.insert(0, "tests")
import fuzz_readers
import fuzz_inputs  # on the path now
kept = []
misdeeds = {{{MISDEEDS}}}
fuzz_readers.READERS = {{
    name: fuzz_readers.Reader("a.x", lambda: [b"abc"], misdeed, [fuzz_inputs.cut])
    for name, misdeed in misdeeds.items()
}}
fuzz_readers.SECONDS = 1
fuzz_readers.warm_up = lambda *_: None
sys.exit(fuzz_readers.main(["--count", "5"]))
"""


@pytest.fixture(scope="module")
def planted_run(tmp_path_factory):
    return run("-c", PROGRAM, TMPDIR=str(tmp_path_factory.mktemp("kept")))


@pytest.mark.parametrize(("name", "seen"), [(name, seen) for name, (_, seen) in PLANTED.items()])
def test_a_reader_that_misbehaves_is_found_out(planted_run, name, seen):
    assert planted_run.returncode == 1, planted_run.stderr
    assert re.search(rf"(?m)^{name}( \d)?: .*{seen}", planted_run.stdout), planted_run.stdout
