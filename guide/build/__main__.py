"""Fills the pages with the lab's own code and outputs, and makes a notebook of each chapter.

python -m guide.build            after a change to the code or the pages
python -m guide.build --check    does everything agree? changes nothing, exit 1 if not
"""

import sys

from cogapp import Cog

from guide.build import notebooks
from guide.build.pages import PROJECT, all_pages
from lab.command_line import parser
from lab.console import say

COG = ["cog", "-U", "--verbosity=1", "-p", "from guide.build.quotes import code, output"]


def cog(mode, pages):
    """Lets cog fill the pages, mode ["-r"], or look whether they are full; 0 when all is well.

    A quote that finds nothing, and a command that fails, come out as cog's own traceback.
    """
    return Cog().main([*COG, *mode, *map(str, pages)])


def main(argv=None):
    options = parser(__doc__)
    options.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    args = options.parse_args(argv)
    mode = ["--check", "--diff"] if args.check else ["-r"]
    failed = cog(mode, [PROJECT / page for page in all_pages()])
    if failed:
        return failed
    stale = notebooks.stale()
    if not args.check:
        notebooks.write(stale)
    for path in stale:
        say(f"{path}: {'stale: run make guide' if args.check else 'made anew'}")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
