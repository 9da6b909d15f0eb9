"""Executes the notebooks as a newcomer would, each in a copy of the lab that holds no run yet.

python -m guide.build.execute                all of them, some minutes each on a busy machine
python -m guide.build.execute 4-train-it     this one
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import nbformat

from guide.build import demo_folder
from guide.build.notebooks import FOLDER
from guide.build.pages import PROJECT
from lab.command_line import parser
from lab.console import say

AT_ONCE = 2  # what starts and what draws uses one core
MINUTES = 15  # after which a notebook hangs, however busy the machine


def strict(notebook):
    """Lets a cell fail when a command in it fails, which Jupyter would only print."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("!"):
            lines = cell.source.splitlines()
            cell.source = "\n".join(f"{line}\nassert _exit_code == 0" for line in lines)
    return notebook


def execute(name, folder):
    """pytest over a copy of the notebook, in a copy of the lab in `folder`: how that ended."""
    lab = Path(folder, name)
    demo_folder.copy(lab)
    path = Path(lab, FOLDER.relative_to(PROJECT), f"{name}.ipynb")
    nbformat.write(strict(nbformat.read(path, as_version=4)), path)
    options = ["--nbmake", f"--timeout={60 * MINUTES}", f"--nbmake-timeout={60 * MINUTES}"]
    command = [sys.executable, "-m", "pytest", "-q", "--durations=0", *options, str(path)]
    return subprocess.run(
        command, cwd=lab, env=demo_folder.environment(folder), capture_output=True, text=True
    )  # fmt: skip


def main(argv=None):
    options = parser(__doc__)
    every = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    options.add_argument("names", nargs="*", metavar="NAME", default=every, help=", ".join(every))
    args = options.parse_args(argv)
    if unknown := set(args.names) - set(every):
        options.error(f"no notebooks: {', '.join(sorted(unknown))}")
    failed = False
    with tempfile.TemporaryDirectory(prefix="lab-") as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(partial(execute, folder=folder), args.names)
        for name, result in zip(args.names, results, strict=True):
            say(f"{name}: {''.join(result.stdout.splitlines()[-1:])}")
            if result.returncode:
                failed = True
                sys.stdout.write(result.stdout + result.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
