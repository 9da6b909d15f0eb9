"""Transfers from servers that misbehave, on the loopback interface only."""

import errno
import gzip
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial

import pytest
from conftest import PROJECT
from odd_files import NO_FILES_OR_FOLDERS, put
from served import QUICK, asset_of, fetch, leave_part, names, part, unhashed

from lab.downloads import obtain, transfers
from tests import broken_server as broken
from tests.broken_server import BODY, BrokenServer


def test_a_download_arrives_and_leaves_nothing_beside_it(server, tmp_path):
    assert fetch(asset_of(server), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert names(tmp_path) == ["file.bin"]


RECOVERS = [
    [broken.truncates],
    [broken.truncates, broken.truncates],
    [broken.stalls],
    [broken.says_nothing],
    [broken.resets],
    [broken.resets, broken.fails],
    [broken.fails, broken.fails],
    [broken.truncates_without_a_length],
    [broken.truncates, broken.ignores_ranges],
    [broken.truncates, broken.resumes_elsewhere],
    [broken.truncates, broken.resumes_another_file],
    [broken.truncates, broken.refuses_ranges],
    [broken.truncates, broken.sends_wrong_bytes, broken.behaves],
]


@pytest.mark.parametrize("script", RECOVERS, ids=lambda s: "-".join(f.__name__ for f in s))
def test_one_mirror_that_recovers_is_enough(script, server, tmp_path):
    server.script("/file.bin", *script)
    mirrors = ["/file.bin"] if broken.sends_wrong_bytes not in script else ["/file.bin"] * 2
    assert fetch(asset_of(server, *mirrors), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert names(tmp_path) == ["file.bin"]


HOPELESS = {
    broken.missing: "HTTP 404 Not Found",
    broken.fails: "HTTP 500",
    broken.sends_a_page: "a web page came",
    broken.sends_an_unlabelled_page: "a web page came",
    broken.sends_wrong_bytes: "not the right file",
    broken.promises_more: "offers 1000008 bytes, expected 1000003",
    broken.promises_less: "offers 999998 bytes, expected 1000003",
    broken.sends_too_much: "sent more than 1000003 bytes",
    broken.compresses: "offers",
    broken.says_nothing: "silent for 0.2 seconds",
}


@pytest.mark.parametrize("reply", HOPELESS, ids=lambda f: f.__name__)
def test_a_hopeless_mirror_leaves_nothing_and_the_next_one_is_asked(
    reply, server, tmp_path, capsys
):
    server.script("/file.bin", *[reply] * 10)
    with pytest.raises(transfers.Unavailable, match="none of 1 mirrors"):
        fetch(asset_of(server), tmp_path)
    assert names(tmp_path) == []
    assert HOPELESS[reply] in capsys.readouterr().err
    assert fetch(asset_of(server, "/file.bin", "/good.bin"), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    "reply",
    [broken.stalls, broken.resets, broken.ignores_ranges_and_truncates],
)
def test_a_mirror_that_never_gets_far_is_given_up_and_the_next_one_goes_on(reply, server, tmp_path):
    server.script("/file.bin", *[reply] * 50)
    assert fetch(asset_of(server, "/file.bin", "/good.bin"), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked[-1][0] == "/good.bin"
    assert "Range" in server.asked[-1][1]


def test_a_refused_connection_and_an_unknown_host_are_each_tried_in_vain_only_once(
    server, tmp_path, capsys
):
    with BrokenServer({}) as stopped:
        pass
    asset = asset_of(server)
    client = transfers.Client(QUICK)
    dead = (f"{stopped.url}/file.bin", "http://no-such-host.invalid/file.bin")
    for _ in range(2):
        with pytest.raises(transfers.Unavailable):
            obtain.obtain(replace(asset, mirrors=dead), tmp_path, None, client)
    assert "no connection" in capsys.readouterr().err
    assert len(client.silent) == 2
    assert not client.answered
    assert names(tmp_path) == []


def test_a_tgz_is_not_unpacked_on_the_way(server, tmp_path):
    body = gzip.compress(BODY)
    server.files["/file.bin"] = body
    server.script("/file.bin", broken.labels_as_compressed)
    assert fetch(asset_of(server, body=body), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == body


def test_a_proxy_from_the_environment_is_asked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    url = "http://no-such-host.invalid/file.bin"
    server.files[url] = BODY
    assert fetch(replace(asset_of(server), mirrors=(url,)), tmp_path) is True
    assert server.asked[0][0] == url


# ---- resuming -----------------------------------------------------------------------------------


def test_a_resumed_download_asks_for_the_missing_bytes_of_the_same_edition(server, tmp_path):
    leave_part(tmp_path, BODY[:600_000], url=f"{server.url}/file.bin")
    fetch(asset_of(server), tmp_path)
    headers = server.asked[0][1]
    assert headers["Range"] == "bytes=600000-"
    assert headers["If-Range"] == broken.TAG
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_file_that_changed_on_the_server_is_not_spliced(server, tmp_path, monkeypatch):
    leave_part(tmp_path, b"x" * 600_000, url=f"{server.url}/file.bin", validator='"older"')
    fetch(unhashed(server, monkeypatch), tmp_path)
    assert server.asked[0][1]["If-Range"] == '"older"'
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_without_hash_and_known_edition_a_part_is_not_trusted(server, tmp_path, monkeypatch):
    for url, validator in (
        (f"{server.url}/file.bin", None),
        ("http://elsewhere/", broken.TAG),
    ):
        leave_part(tmp_path, b"x" * 600_000, url=url, validator=validator)
        fetch(unhashed(server, monkeypatch), tmp_path)
        assert "Range" not in server.asked[-1][1]
        assert (tmp_path / "file.bin").read_bytes() == BODY
        (tmp_path / "file.bin").unlink()


def test_a_file_whose_total_changed_starts_over(server, tmp_path, monkeypatch):
    leave_part(tmp_path, b"x" * 6, url=f"{server.url}/file.bin", total=1234)
    fetch(unhashed(server, monkeypatch), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(server.asked) == 2


def test_wrong_bytes_in_the_part_cost_a_second_try_not_the_mirror(server, tmp_path, capsys):
    leave_part(tmp_path, b"x" * 600_000, url=f"{server.url}/file.bin")
    fetch(asset_of(server), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert "starting over" in capsys.readouterr().err


@pytest.mark.parametrize("length", [len(BODY), len(BODY) + 9])
def test_a_part_that_is_complete_or_too_long_ends_well(length, server, tmp_path):
    leave_part(tmp_path, (BODY + b"x" * 9)[:length], url=f"{server.url}/file.bin")
    fetch(asset_of(server), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(server.asked) == (0 if length == len(BODY) else 2)


def test_a_note_cut_short_means_the_source_is_unknown(server, tmp_path, monkeypatch):
    leave_part(tmp_path, b"x" * 600_000)
    part(tmp_path).with_name("file.bin.json").write_text('{"url": "ht')
    fetch(unhashed(server, monkeypatch), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_weak_tag_is_no_proof_of_the_same_bytes(server, tmp_path):
    server.tag = 'W/"about the same"'
    server.script("/file.bin", broken.truncates)
    fetch(asset_of(server), tmp_path)
    assert "If-Range" not in server.asked[1][1]


@pytest.mark.parametrize(
    "reply",
    [broken.resumes_another_edition, broken.resumes_without_a_tag],
    ids=lambda f: f.__name__,
)
def test_a_server_that_does_not_mind_if_range_is_not_believed(reply, server, tmp_path, monkeypatch):
    leave_part(tmp_path, b"x" * 600_000, url=f"{server.url}/file.bin", validator='"older"')
    server.script("/file.bin", reply)
    fetch(unhashed(server, monkeypatch), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert ["Range" in headers for _, headers in server.asked] == [True, False]


def test_a_part_nobody_asked_for_is_not_joined_to_the_one_that_is_here(
    server, tmp_path, monkeypatch
):
    leave_part(tmp_path, b"x" * (len(BODY) // 2), url=f"{server.url}/file.bin", validator=None)
    server.script("/file.bin", broken.resumes_unasked)
    with pytest.raises(transfers.Unavailable):
        fetch(unhashed(server, monkeypatch), tmp_path)
    fetch(unhashed(server, monkeypatch), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_date_names_an_edition_where_there_is_no_tag(server, tmp_path, monkeypatch):
    date, server.tag = "Fri, 07 Oct 2016 12:00:00 GMT", None
    leave_part(tmp_path, BODY[:600_000], url=f"{server.url}/file.bin", validator=date)
    server.script("/file.bin", partial(broken.behaves_with, headers={"Last-Modified": date}))
    fetch(unhashed(server, monkeypatch), tmp_path)
    assert [headers.get("If-Range") for _, headers in server.asked] == [date]
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    "note",
    [
        "[]",
        "7",
        "null",
        "[" * 100_000,
        '{"url": "{url}"}',
        '{"url": "{url}", "validator": 7, "total": 1000003}',
        '{"url": "{url}", "validator": "\\n\\n", "total": 1000003}',
        '{"url": "{url}", "validator": "\\u2026", "total": 1000003}',
        '{"url": "{url}", "validator": "x", "total": "7"}',
        '{"url": ["{url}"], "validator": "x", "total": 7}',
    ],
    ids=lambda note: note[:60],
)
def test_a_note_of_anything_else_means_the_source_is_unknown(note, server, tmp_path, monkeypatch):
    leave_part(tmp_path, b"x" * 600_000)
    note = note.replace("{url}", f"{server.url}/file.bin")
    part(tmp_path).with_name("file.bin.json").write_text(note)
    fetch(unhashed(server, monkeypatch), tmp_path)
    assert ["Range" in headers for _, headers in server.asked] == [False]
    assert (tmp_path / "file.bin").read_bytes() == BODY


# ---- redirects ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status_of", ["/good.bin", "good.bin", "{url}/good.bin"])
def test_a_redirect_is_followed(status_of, server, tmp_path):
    server.script("/file.bin", broken.redirects_to(status_of.replace("{url}", server.url)))
    assert fetch(asset_of(server), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY


NOWHERE = [
    "http://[::1",
    "http://",
    "http://a b/",
    "ftp://host/file",
    "http://h:99999/",
    "//[",
    "?",
    "http://no-such-host.invalid/",
    "http://127.0.0.1:1/",
]


@pytest.mark.parametrize("place", NOWHERE)
def test_a_redirect_to_nowhere_is_that_mirrors_failure_and_keeps_the_part(place, server, tmp_path):
    server.script("/file.bin", *[broken.redirects_to(place)] * 99)
    leave_part(tmp_path, BODY[:600_000])
    with pytest.raises(transfers.Unavailable):
        fetch(asset_of(server), tmp_path)
    assert part(tmp_path).stat().st_size == 600_000
    assert fetch(asset_of(server, "/file.bin", "/good.bin"), tmp_path) is True
    assert server.asked[-1][0] == "/good.bin"
    assert server.asked[-1][1]["Range"] == "bytes=600000-"
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_redirect_that_talks_on_is_followed_without_listening(server, tmp_path):
    server.script("/file.bin", broken.redirects_and_talks_on)
    assert fetch(asset_of(server), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY


# ---- slow servers -------------------------------------------------------------------------------

SLOW = {
    broken.continues_forever: "no file after 1 seconds",
    broken.spells_out_its_headers: "no file after 1 seconds",
    broken.crawls: "slower than 1.0 kB a second",
    broken.spells_out_a_chunk_size: "slower than 1.0 kB a second",
    broken.talks_on_behind_the_end: "slower than 1.0 kB a second",
}


@pytest.mark.parametrize("reply", SLOW, ids=lambda f: f.__name__)
def test_a_server_that_keeps_one_waiting_is_given_up(reply, server, tmp_path, capsys):
    hurried = transfers.Patience(connect=5, read=5, headers=1, minute=1, attempts=1)
    server.script("/file.bin", reply)
    with pytest.raises(transfers.Unavailable):
        fetch(asset_of(server, exact=False), tmp_path, patience=hurried)
    assert SLOW[reply] in capsys.readouterr().err


def test_a_slow_server_that_keeps_up_the_least_speed_is_waited_for(server, tmp_path):
    server.manners = partial(broken.drips, pieces=25, pause=0.1)  # 40 kB each
    steady = transfers.Patience(minute=2, speed=40_000)
    assert fetch(asset_of(server), tmp_path, patience=steady) is True
    assert len(server.asked) == 1


# ---- what servers say ---------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [broken.forges_lines, broken.forgets_a_colon])
def test_what_a_server_says_is_one_line_that_cannot_speak_to_the_terminal(
    reply, server, tmp_path, capfd
):
    server.script("/file.bin", reply)
    with pytest.raises(transfers.Unavailable):
        fetch(asset_of(server), tmp_path)
    said = capfd.readouterr().err
    assert "HTTP 404" in said
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()


# ---- stopping -----------------------------------------------------------------------------------

PROGRAM = """
import sys, time, pathlib
sys.path.insert(0, {project!r})
import download
from lab.downloads.assets import Asset
asset = Asset("file.bin", ({url!r},), {size}, {hash!r})
download.ASSETS = {{"file": (asset,)}}
sys.exit(download.main(["file", "--to", {folder!r}]))
"""


def start(server, folder, before=""):
    """The real program in a process of its own, fetching file.bin; `before` is run first."""
    asset = asset_of(server)
    program = PROGRAM.format(
        project=str(PROJECT),
        url=asset.mirrors[0],
        size=asset.size,
        hash=asset.hash,
        folder=str(folder),
    )
    command = [sys.executable, "-c", before + program]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("share", [0, 0.3, 0.8])
def test_a_killed_download_never_shows_and_is_resumed(share, server, tmp_path):
    server.manners = broken.drips
    program = start(server, tmp_path)
    wait_for(lambda: part(tmp_path).exists() and part(tmp_path).stat().st_size >= share * len(BODY))
    program.kill()
    program.communicate()
    assert not (tmp_path / "file.bin").exists()
    assert fetch(asset_of(server), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert names(tmp_path) == ["file.bin"]
    assert ("Range" in server.asked[-1][1]) == (share > 0)


def test_ctrl_c_keeps_what_is_here_and_says_so_without_a_traceback(server, tmp_path):
    server.manners = broken.drips
    program = start(server, tmp_path)
    wait_for(lambda: part(tmp_path).exists() and part(tmp_path).stat().st_size > 300_000)
    program.send_signal(signal.SIGINT)
    stderr = program.communicate()[1]
    assert program.returncode == 130
    assert stderr.splitlines()[-1] == "interrupted"
    assert "Traceback" not in stderr
    assert part(tmp_path).stat().st_size > 300_000


def test_two_programs_at_once_fetch_the_file_once(server, tmp_path):
    server.manners = broken.drips
    programs = [start(server, tmp_path) for _ in range(3)]
    outputs = [program.communicate()[0] for program in programs]
    assert [program.returncode for program in programs] == [0, 0, 0]
    assert sorted(out.split()[1] for out in outputs) == ["already", "already", "fetched,"]
    assert len(server.asked) == 1
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert names(tmp_path) == ["file.bin"]


def test_many_at_once_on_a_hopeless_server_all_give_up_and_clean_up(server, tmp_path):
    server.script("/file.bin", *[broken.missing] * 99)

    def give_up():
        with pytest.raises(transfers.Unavailable):
            fetch(asset_of(server), tmp_path)

    threads = [threading.Thread(target=give_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 8
    assert names(tmp_path) == []


def test_a_browsers_own_part_file_in_the_way_is_named(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"from a browser")
    with pytest.raises(FileExistsError, match=r"file\.bin\.part: a folder is needed"):
        fetch(asset_of(server), tmp_path)


# ---- pipes, devices, links ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["file.bin", "file.bin.json"])
@pytest.mark.parametrize("kind", ["folder", *NO_FILES_OR_FOLDERS])
def test_what_is_no_file_among_the_parts_goes_and_is_not_waited_for(kind, name, server, tmp_path):
    leave_part(tmp_path, BODY[:600_000])
    part(tmp_path).with_name(name).unlink()
    put(part(tmp_path).with_name(name), kind)
    assert fetch(asset_of(server), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("name", ["file.bin", "file.bin.json"])
def test_a_link_among_the_parts_is_not_written_through(name, server, tmp_path):
    (tmp_path / "treasure").write_bytes(b"gold")
    leave_part(tmp_path, BODY[:600_000])
    part(tmp_path).with_name(name).unlink()
    part(tmp_path).with_name(name).symlink_to(tmp_path / "treasure")
    assert fetch(asset_of(server), tmp_path) is True
    assert (tmp_path / "treasure").read_bytes() == b"gold"


@pytest.mark.parametrize("kind", NO_FILES_OR_FOLDERS)
def test_what_has_the_name_of_the_parts_folder_is_named(kind, server, tmp_path):
    put(tmp_path / "file.bin.part", kind)
    with pytest.raises(FileExistsError, match=r"file\.bin\.part: a folder is needed"):
        fetch(asset_of(server), tmp_path)


@pytest.mark.parametrize("kind", ["folder", *NO_FILES_OR_FOLDERS])
def test_a_folder_without_the_file_as_a_file_is_a_mirror_that_fails(kind, server, tmp_path, capsys):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    put(shelf / "file.bin", kind)
    with pytest.raises(transfers.Unavailable):
        fetch(asset_of(server), tmp_path / "here", mirror=str(shelf))
    said = capsys.readouterr().err
    assert "No such file" in said if kind == "link to nothing" else "no regular file" in said
    assert names(tmp_path / "here") == []


def test_a_folder_without_the_file_costs_nothing_of_what_is_here(server, tmp_path):
    leave_part(tmp_path, BODY[:600_000])
    (tmp_path / "shelf").mkdir()
    with pytest.raises(transfers.Unavailable):
        fetch(asset_of(server), tmp_path, mirror=str(tmp_path / "shelf"))
    assert part(tmp_path).read_bytes() == BODY[:600_000]


def test_a_folder_with_a_far_larger_file_is_a_mirror_that_fails(server, tmp_path, capsys):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with (shelf / "file.bin").open("wb") as file:
        file.truncate(10**12)  # and takes no room
    with pytest.raises(transfers.Unavailable):
        fetch(asset_of(server, exact=False), tmp_path / "here", mirror=str(shelf))
    assert "has more than 2000006 bytes" in capsys.readouterr().err


# ---- full disks ---------------------------------------------------------------------------------

LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"


def test_a_disk_that_fills_up_is_one_clear_line_and_no_debris(server, tmp_path):
    program = start(server, tmp_path, before=LIMIT)
    stderr = program.communicate()[1]
    assert program.returncode == 2
    assert "file.bin: the disk is full" in stderr.splitlines()[-1]
    assert names(tmp_path) == []


def test_too_little_space_is_noticed_before_anything_is_fetched(server, tmp_path):
    with pytest.raises(OSError, match=r"disk is full \(1000000\.0 GB needed"):
        fetch(asset_of(server, size=10**15), tmp_path)
    assert server.asked == []
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_while_copying_from_a_folder_is_no_mirrors_fault(
    server, tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "file.bin").write_bytes(BODY)
    monkeypatch.setattr(transfers.shutil, "copyfile", full)
    with pytest.raises(OSError, match=r"file\.bin: the disk is full"):
        fetch(asset_of(server), tmp_path, mirror=str(shelf))
    assert names(tmp_path) == ["shelf"]
