"""Get what the lessons need: the weights, the training signs, the pictures. All of it is verified.

    python download.py                   what steps 1 to 4 need: weights, train, pictures
    python download.py gtsrb             the official traffic signs, training and test
    python download.py signs             the course's later split: train, valid and test
    python download.py vgg16 flowers     another network, and flowers to try it on
    python download.py --list            what there is, how large, and what is here
    python download.py --to DIR          put the files there
    python download.py --from PLACE      take them from a folder or a URL that holds them by name

With --from, or ALEXNET_LAB_MIRROR in the environment, no other place is asked. What is here and
good stays as it is; a download that stopped goes on where it stopped. Proxies are taken from
HTTPS_PROXY and HTTP_PROXY.
"""

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from lab.command_line import parser, user_errors
from lab.console import notice, readable, say
from lab.downloads.assets import ASSETS, LESSONS


def asset_name(text):
    if text not in ASSETS:
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(ASSETS)}")
    return text


def mirror(text):
    """A base URL, or a folder that exists."""
    try:
        known = Path(text).is_dir() or is_address(text)
    except (OSError, ValueError):  # far too long, or an address with a bracket missing
        known = False
    if not known:
        raise argparse.ArgumentTypeError(f"{text} is neither a folder nor an http(s) address")
    return text


def is_address(text):
    return text.startswith(("http://", "https://")) and bool(urlsplit(text).hostname)


def show_list(folder):
    say(f"{'name':9} {'file':32} {'size':>7}  {'here':4}  from")
    for name, assets in ASSETS.items():
        for asset in assets:
            say(
                f"{name:9} {asset.result:32} {readable(asset.size):>7}  "
                f"{state(folder / asset.result):4}  {asset.hosts[0]}"
            )
    say()
    say(f"here is {folder.resolve()}")


def state(result):
    """Whether it is here, judged by its name alone: checking all would take a minute."""
    if result.exists():
        return "yes"
    return "part" if result.with_name(result.name + ".part").exists() else "no"


def obtain_all(assets, folder, place):
    """Fetch what is missing. Returns the assets no mirror delivered, and whether any answered."""
    from lab.downloads.obtain import obtain
    from lab.downloads.transfers import Client, Unavailable

    client, missing = Client(), []
    for asset in assets:
        notice(f"{asset.result} ({readable(asset.size)})")
        try:
            fetched = obtain(asset, folder, place, client)
        except Unavailable:
            missing.append(asset)
        else:
            path = folder / asset.result
            say(f"{path}: {'fetched' if fetched else 'already here'}, verified")
    return missing, client.answered or not client.silent


def how_to_get(missing, folder, answered):
    """The lines that say what to do by hand when no mirror delivers."""
    yield ""
    names = ", ".join(asset.result for asset in missing)
    yield f"download.py: not fetched: {names}." + ("" if answered else " Is this machine online?")
    yield f"By hand: save these under these names in {folder.resolve()}"
    yield ""
    for asset in missing:
        for number, choice in enumerate(asset.choices):
            note = f"; the next run makes {choice.makes} from it" if choice.makes else ""
            yield f"{'or ' if number else ''}{choice.file} ({readable(choice.size)}{note})"
            yield from (f"    {url}" for url in choice.mirrors)
        if asset.advice:
            yield f"or {asset.advice}"
    yield ""
    yield "Then run the same command again: it checks what is there."
    yield "If somebody has the files: python download.py --from THEIR_FOLDER_OR_URL"
    yield "Without any file: every lesson runs with --demo."


def main(argv=None):
    options = parser(__doc__)
    options.add_argument(
        "names", nargs="*", type=asset_name, metavar="NAME", help=", ".join(ASSETS)
    )
    options.add_argument("--list", action="store_true", help="show what there is and stop")
    options.add_argument("--to", type=Path, default=Path(), metavar="DIR", help="default: here")
    options.add_argument(
        "--from",
        dest="mirror",
        type=mirror,
        default=os.environ.get("ALEXNET_LAB_MIRROR") or None,
        metavar="PLACE",
        help="a folder or a base URL, asked instead of the public mirrors",
    )
    arguments = options.parse_args(argv)
    with user_errors():
        if arguments.list:
            show_list(arguments.to)
            return 0
        arguments.to.mkdir(parents=True, exist_ok=True)
        names = dict.fromkeys(arguments.names or LESSONS)
        assets = [asset for name in names for asset in ASSETS[name]]
        missing, answered = obtain_all(assets, arguments.to, arguments.mirror)
        if missing:
            for line in how_to_get(missing, arguments.to, answered):
                notice(line)
        return 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
