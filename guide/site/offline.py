"""Does every link of the built site lead somewhere, and does it work without a network?

python -m guide.site.offline site
"""

import html
import re
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lab.command_line import parser
from lab.console import notice, say

LEADS = re.compile(r'<(?P<tag>\w+)\b[^<>]*?\s(?:href|src)="(?P<link>[^"]*)"')
NAMED = re.compile(r'\s(?:id|name)="([^"]*)"')


def broken(site):
    """(page, link) of all that leads nowhere, or that a page fetches from elsewhere to be shown."""
    for page in sorted(site.rglob("*.html")):
        for tag, link in set(LEADS.findall(page.read_text(encoding="utf-8"))):
            if not _holds(page, tag, html.unescape(link)):
                yield page.relative_to(site), link


def _holds(page, tag, link):
    address = urlsplit(link)
    if address.scheme or address.netloc:
        return tag == "a" or address.scheme == "data"
    target = page.parent / unquote(address.path) if address.path else page
    if target.suffix != ".html" or not address.fragment:
        return target.exists()
    return target.exists() and unquote(address.fragment) in _names(target.resolve())


@cache
def _names(page):
    """What a link can name within a page."""
    return set(NAMED.findall(page.read_text(encoding="utf-8")))


def main(argv=None):
    options = parser(__doc__)
    options.add_argument("site", type=Path, help="the folder that Sphinx filled")
    args = options.parse_args(argv)
    found = list(broken(args.site))
    for page, link in found:
        notice(f"{page}: {link} leads nowhere, or to another site to be shown")
    if not found:
        say(f"{args.site / 'index.html'}: every link leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
