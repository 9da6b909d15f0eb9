"""An asset on a broken server, and fetching it: what the tests of downloads share."""

import hashlib
import json
from dataclasses import replace

from lab.downloads import assets, obtain, transfers
from tests import broken_server as broken
from tests.broken_server import BODY

QUICK = transfers.Patience(connect=1, read=0.2, attempts=3, pause=0.01)


def asset_of(server, *paths, body=BODY, **changes):
    """An asset `file.bin` with these paths of the server as its mirrors."""
    digest = hashlib.sha256(body).hexdigest()
    urls = tuple(server.url + path for path in paths or ["/file.bin"])
    return replace(assets.Asset("file.bin", urls, len(body), f"sha256:{digest}"), **changes)


def unhashed(server, monkeypatch, check=lambda path: None):
    """The same without a public hash: only the content check stands between it and the user."""
    monkeypatch.setitem(obtain.CHECKS, "file.bin", check)
    return asset_of(server, hash="", exact=False)


def fetch(asset, folder, mirror=None, patience=QUICK):
    return obtain.obtain(asset, folder, mirror, transfers.Client(patience))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def part(folder):
    """The bytes of file.bin so far."""
    return folder / "file.bin.part" / "file.bin"


def leave_part(folder, content, url="", validator=broken.TAG, total=1_000_003):
    """What a stopped download leaves behind."""
    part(folder).parent.mkdir()
    part(folder).write_bytes(content)
    note = {"url": url, "validator": validator, "total": total}
    part(folder).with_name("file.bin.json").write_text(json.dumps(note))
