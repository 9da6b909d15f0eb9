"""Executes the notebooks as a newcomer would, each in a copy of the lab that holds no run yet.

python -m guide.build.execute                all of them, some minutes each on a busy machine
python -m guide.build.execute 4-train-it     this one
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from guide.build import demo_folder
from guide.build.notebooks import FOLDER
from guide.build.pages import PROJECT
from lab.command_line import parser

MINUTES = 15  # after which a notebook hangs, however busy the machine


def strict(notebook):
    """Lets a cell fail when a command in it fails, which Jupyter would only print."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("!"):
            lines = cell.source.splitlines()
            cell.source = "\n".join(f"{line}\nassert _exit_code == 0" for line in lines)
    return notebook


def execute(names, folder):
    """The exit code of pytest over copies of the notebooks, in a copy of the lab in `folder`."""
    demo_folder.copy(folder)
    copies = [Path(folder, FOLDER.relative_to(PROJECT), f"{name}.ipynb") for name in names]
    for path in copies:
        nbformat.write(strict(nbformat.read(path, as_version=4)), path)
    options = ["--nbmake", f"--timeout={60 * MINUTES}", f"--nbmake-timeout={60 * MINUTES}"]
    command = [sys.executable, "-m", "pytest", "-q", "--durations=0", *options, *map(str, copies)]
    return subprocess.run(command, cwd=folder, env=demo_folder.environment(folder)).returncode


def main(argv=None):
    options = parser(__doc__)
    every = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    options.add_argument("names", nargs="*", metavar="NAME", default=every, help=", ".join(every))
    args = options.parse_args(argv)
    if unknown := set(args.names) - set(every):
        options.error(f"no notebooks: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        return execute(args.names, folder)


if __name__ == "__main__":
    sys.exit(main())
