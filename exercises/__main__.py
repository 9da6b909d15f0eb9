"""How your exercises stand: what is right, what is wrong, what to look at.

python -m exercises                     all of them
python -m exercises resize              this one
python -m exercises resize --hint 2     and two hints
python -m exercises --hand-in           all, and an archive to hand in
"""

import sys
from pathlib import Path

from exercises.machinery import catalogue, hand_in, listing, run
from lab.command_line import parser, user_errors, whole_number
from lab.console import say


def command_line():
    options = parser(__doc__)
    options.add_argument(
        "names",
        nargs="*",
        type=catalogue.exercise,
        metavar="NAME",
        help=", ".join(catalogue.EXERCISES),
    )
    options.add_argument(
        "--hint",
        nargs="?",
        type=whole_number,
        const=1,
        default=0,
        metavar="N",
        help="unfold N hints of the first exercise that is not done (default: 1)",
    )
    options.add_argument(
        "--hand-in",
        action="store_true",
        help=f"write {hand_in.MARKS} and {hand_in.ARCHIVE} beside the exercises",
    )
    options.add_argument(
        "--files", type=Path, default=catalogue.HERE, metavar="DIR", help="other files to look at"
    )
    return options


def main(argv=None):
    options = command_line()
    args = options.parse_args(argv)
    if args.hand_in and args.names:
        options.error("--hand-in takes all exercises: leave out the names")
    with user_errors():
        if not args.files.is_dir():
            raise ValueError(f"--files {args.files}: expected a folder that is there")
        sys.stdout.reconfigure(errors="replace")  # where ✓ cannot be printed
        names = args.names or catalogue.EXERCISES
        outcomes = run.run(names, args.files, args.files / "drawn")
        listing.tell(outcomes, args.files, args.hint)
        if args.hand_in:
            hand_in.pack(outcomes, args.files, args.files)
            say()
            say(f"Hand in {catalogue.shown(args.files / hand_in.ARCHIVE)}")


if __name__ == "__main__":
    sys.exit(main())
