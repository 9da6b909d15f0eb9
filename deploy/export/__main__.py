"""A trained run as files that need nothing of this lab: one folder to copy where it is used.

    python -m deploy.export --run runs/latest                 into runs/latest/export
    python -m deploy.export --run RUN --to signs --formats onnx int8

savedmodel (TensorFlow), onnx (ONNX Runtime, OpenVINO, ...), float16 and int8 (LiteRT). Each takes
the picture, RGB 0-255, and gives probabilities and strangeness; all preparation is inside. When all
are written, each is opened by its own runtime, in a process that knows nothing of this repository,
and compared with the run on pictures it was not trained on, and on photographs of odd sizes. Ends
with 1 when one does not agree.
"""

import shutil
import sys
from importlib import import_module
from pathlib import Path

from deploy.export.formats import FORMATS, chosen
from lab.command_line import parser, user_errors, whole_number
from lab.console import notice, say
from lab.networks import named

USE = Path(__file__).parent / "beside/use.py"
PICTURES = 1000


def command_line():
    options = parser(__doc__, "--run", "--weights", "--seed")
    options.set_defaults(run="runs/latest", preprocess=None, demo=False)
    options.add_argument("--to", metavar="DIR", help="the folder to write (default: RUN/export)")
    options.add_argument(
        "--data", metavar="PATH",
        help="labelled pictures to compare by (default: those the run was validated on)",
    )  # fmt: skip
    options.add_argument(
        "--limit", type=whole_number, default=PICTURES, metavar="N",
        help="compare by N pictures at most (default: %(default)s)",
    )  # fmt: skip
    options.add_argument(
        "--formats", nargs="+", choices=FORMATS, metavar="FORMAT",
        help=f"of {', '.join(FORMATS)} (default: all that the run can have)",
    )  # fmt: skip
    return options


def free(folder):
    """ValueError unless `folder` can be written: there is nothing, or an export to be replaced."""
    empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not empty and not (folder / "export.json").is_file():
        raise ValueError(f"{folder} is there already and is no export: name another with --to")


def main(argv=None):
    args = command_line().parse_args(argv)

    from lab.runs import asked, folders

    with user_errors():
        asked.check(args)
        run_folder, record, _ = asked.run(args.run, args.weights)
        names = chosen(args.formats, record, named(record.network))
        to = Path(args.to or run_folder / "export")
        free(to)

    from lab import device  # TensorFlow takes seconds to load: wrong names need not wait

    device.prepare()
    from deploy.export import card, comparison, pictures
    from lab.runs.run import load

    with user_errors():
        run = load(run_folder, args.weights)
        shown = pictures.chosen(run, args.data, args.limit, args.seed)
        with folders.whole(to) as folder:
            shutil.copy(USE, folder)
            for name in names:
                notice(f"Writing {FORMATS[name].file}")
                write(name, run, folder, shown.representatives)
            figures = comparison.tried(run, folder, names, shown)
            card.write(folder, run, shown, figures)
    comparison.show(figures)
    say(f"Export: {to}")
    return 1 if any(each["problem"] for each in figures.values()) else 0


def write(name, run, folder, representatives):
    """Write the format `name` of the run into the folder."""
    kind = FORMATS[name]
    module, function = kind.writer
    writer = getattr(import_module(f"deploy.export.{module}"), function)
    coarse = [representatives] if kind.least is None else []
    writer(run, folder / kind.file, *coarse)


if __name__ == "__main__":
    sys.exit(main())
