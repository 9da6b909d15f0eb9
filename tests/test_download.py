"""download.py and its plumbing against servers that misbehave, on the loopback interface only."""

import errno
import hashlib
import io
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from conftest import PROJECT

import download
from lab.data import dataset as datasets
from lab.downloads import assets, transfers
from lab.downloads import obtain as downloads
from tests import broken_server as broken
from tests.broken_server import BrokenServer

BODY = random.Random(0).randbytes(1_000_003)
QUICK = transfers.Patience(connect=1, read=0.2, attempts=3, pause=0.01)


def asset_of(server, *paths, body=BODY, **changes):
    """An asset `file.bin` with these paths of the server as its mirrors."""
    digest = hashlib.sha256(body).hexdigest()
    urls = tuple(server.url + path for path in paths or ["/file.bin"])
    return replace(assets.Asset("file.bin", urls, len(body), f"sha256:{digest}"), **changes)


def unhashed(server, monkeypatch, check=lambda path: None):
    """The same without a public hash: only the content check stands between it and the user."""
    monkeypatch.setitem(downloads.CHECKS, "file.bin", check)
    return asset_of(server, hash="", exact=False)


def obtain(asset, folder, mirror=None):
    return downloads.obtain(asset, folder, mirror, transfers.Client(QUICK))


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


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with BrokenServer({"/file.bin": BODY, "/good.bin": BODY}) as running:
        yield running


def test_a_download_arrives_and_leaves_nothing_beside_it(server, tmp_path):
    assert obtain(asset_of(server), tmp_path) is True
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
    assert obtain(asset_of(server, *mirrors), tmp_path) is True
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
        obtain(asset_of(server), tmp_path)
    assert names(tmp_path) == []
    assert HOPELESS[reply] in capsys.readouterr().err
    assert obtain(asset_of(server, "/file.bin", "/good.bin"), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    "reply", [broken.stalls, broken.resets, broken.ignores_ranges_and_truncates]
)
def test_a_mirror_that_never_gets_far_is_given_up_and_the_next_one_goes_on(reply, server, tmp_path):
    server.script("/file.bin", *[reply] * 50)
    assert obtain(asset_of(server, "/file.bin", "/good.bin"), tmp_path) is True
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
            downloads.obtain(replace(asset, mirrors=dead), tmp_path, None, client)
    assert "no connection" in capsys.readouterr().err
    assert len(client.silent) == 2
    assert not client.answered
    assert names(tmp_path) == []


def test_a_tgz_is_not_unpacked_on_the_way(server, tmp_path):
    body = pack({"daisy.jpg": BODY})
    server.files["/file.bin"] = body
    server.script("/file.bin", broken.labels_as_compressed)
    assert obtain(asset_of(server, body=body), tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == body


def test_a_proxy_from_the_environment_is_asked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    url = "http://no-such-host.invalid/file.bin"
    server.files[url] = BODY
    assert obtain(replace(asset_of(server), mirrors=(url,)), tmp_path) is True
    assert server.asked[0][0] == url


# ---- resuming -----------------------------------------------------------------------------------


def test_a_resumed_download_asks_for_the_missing_bytes_of_the_same_edition(server, tmp_path):
    leave_part(tmp_path, BODY[:600_000], url=f"{server.url}/file.bin")
    obtain(asset_of(server), tmp_path)
    headers = server.asked[0][1]
    assert headers["Range"] == "bytes=600000-"
    assert headers["If-Range"] == broken.TAG
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_file_that_changed_on_the_server_is_not_spliced(server, tmp_path, monkeypatch):
    leave_part(tmp_path, b"x" * 600_000, url=f"{server.url}/file.bin", validator='"older"')
    obtain(unhashed(server, monkeypatch), tmp_path)
    assert server.asked[0][1]["If-Range"] == '"older"'
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_without_hash_and_known_edition_a_part_is_not_trusted(server, tmp_path, monkeypatch):
    for url, validator in (f"{server.url}/file.bin", None), ("http://elsewhere/", broken.TAG):
        leave_part(tmp_path, b"x" * 600_000, url=url, validator=validator)
        obtain(unhashed(server, monkeypatch), tmp_path)
        assert "Range" not in server.asked[-1][1]
        assert (tmp_path / "file.bin").read_bytes() == BODY
        (tmp_path / "file.bin").unlink()


def test_a_file_whose_total_changed_starts_over(server, tmp_path, monkeypatch):
    leave_part(tmp_path, b"x" * 6, url=f"{server.url}/file.bin", total=1234)
    obtain(unhashed(server, monkeypatch), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(server.asked) == 2


def test_wrong_bytes_in_the_part_cost_a_second_try_not_the_mirror(server, tmp_path, capsys):
    leave_part(tmp_path, b"x" * 600_000, url=f"{server.url}/file.bin")
    obtain(asset_of(server), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert "starting over" in capsys.readouterr().err


@pytest.mark.parametrize("length", [len(BODY), len(BODY) + 9])
def test_a_part_that_is_complete_or_too_long_ends_well(length, server, tmp_path):
    leave_part(tmp_path, (BODY + b"x" * 9)[:length], url=f"{server.url}/file.bin")
    obtain(asset_of(server), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(server.asked) == (0 if length == len(BODY) else 2)


def test_a_note_cut_short_means_the_source_is_unknown(server, tmp_path, monkeypatch):
    leave_part(tmp_path, b"x" * 600_000)
    part(tmp_path).with_name("file.bin.json").write_text('{"url": "ht')
    obtain(unhashed(server, monkeypatch), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_weak_tag_is_no_proof_of_the_same_bytes(server, tmp_path):
    server.tag = 'W/"about the same"'
    server.script("/file.bin", broken.truncates)
    obtain(asset_of(server), tmp_path)
    assert "If-Range" not in server.asked[1][1]


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


def start(server, folder):
    """The real program in a process of its own, fetching file.bin."""
    asset = asset_of(server)
    program = PROGRAM.format(
        project=str(PROJECT),
        url=asset.mirrors[0],
        size=asset.size,
        hash=asset.hash,
        folder=str(folder),
    )
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("share", [0, 0.3, 0.8])
def test_a_killed_download_never_shows_and_is_resumed(share, tmp_path):
    with BrokenServer({"/file.bin": BODY}, manners=broken.drips) as server:
        program = start(server, tmp_path)
        wait_for(
            lambda: part(tmp_path).exists() and part(tmp_path).stat().st_size >= share * len(BODY)
        )
        program.kill()
        program.communicate()
        assert not (tmp_path / "file.bin").exists()
        assert obtain(asset_of(server), tmp_path) is True
        assert (tmp_path / "file.bin").read_bytes() == BODY
        assert names(tmp_path) == ["file.bin"]
        assert ("Range" in server.asked[-1][1]) == (share > 0)


def test_ctrl_c_keeps_what_is_here_and_says_so_without_a_traceback(tmp_path):
    with BrokenServer({"/file.bin": BODY}, manners=broken.drips) as server:
        program = start(server, tmp_path)
        wait_for(lambda: part(tmp_path).exists() and part(tmp_path).stat().st_size > 300_000)
        program.send_signal(signal.SIGINT)
        stderr = program.communicate()[1]
        assert program.returncode == 130
        assert stderr.splitlines()[-1] == "interrupted"
        assert "Traceback" not in stderr
        assert part(tmp_path).stat().st_size > 300_000


def test_two_programs_at_once_fetch_the_file_once(tmp_path):
    with BrokenServer({"/file.bin": BODY}, manners=broken.drips) as server:
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
            obtain(asset_of(server), tmp_path)

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
        obtain(asset_of(server), tmp_path)


# ---- full disks ---------------------------------------------------------------------------------

LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"


def test_a_disk_that_fills_up_is_one_clear_line_and_no_debris(server, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PROGRAM", LIMIT + PROGRAM)
    program = start(server, tmp_path)
    stderr = program.communicate()[1]
    assert program.returncode == 2
    assert "file.bin: the disk is full" in stderr.splitlines()[-1]
    assert names(tmp_path) == []


def test_too_little_space_is_noticed_before_anything_is_fetched(server, tmp_path):
    with pytest.raises(OSError, match=r"disk is full \(1000000\.0 GB needed"):
        obtain(asset_of(server, size=10**15), tmp_path)
    assert server.asked == []
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_while_copying_from_a_folder_is_no_mirrors_fault(
    server, tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfers.shutil, "copyfile", full)
    with pytest.raises(OSError, match=r"file\.bin: the disk is full"):
        obtain(asset_of(server), tmp_path, mirror=str(tmp_path))
    assert names(tmp_path) == []


# ---- what is here already -----------------------------------------------------------------------


def test_a_good_file_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(BODY)
    assert obtain(asset_of(server), tmp_path) is False
    assert server.asked == []
    assert names(tmp_path) == ["file.bin"]


def test_a_bad_file_is_replaced_by_a_good_one_only(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"something else")
    server.script("/file.bin", broken.sends_wrong_bytes)
    with pytest.raises(transfers.Unavailable):
        obtain(asset_of(server), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"something else"
    obtain(asset_of(server), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_without_a_hash_the_content_check_decides(server, tmp_path, monkeypatch, capsys):
    def check(path):
        if path.read_bytes() != BODY:
            raise ValueError("no signs in it")

    asset = unhashed(server, monkeypatch, check)
    server.script("/file.bin", broken.truncates_without_a_length)
    with pytest.raises(transfers.Unavailable):
        obtain(asset, tmp_path)
    assert "not the right file: no signs in it" in capsys.readouterr().err
    assert names(tmp_path) == []
    assert obtain(asset, tmp_path) is True
    assert obtain(asset, tmp_path) is False


# ---- mirrors of one's own -----------------------------------------------------------------------


def test_a_folder_given_as_mirror_is_asked_alone(server, tmp_path):
    shelf, here = tmp_path / "shelf", tmp_path / "here"
    shelf.mkdir()
    with pytest.raises(transfers.Unavailable):
        obtain(asset_of(server), here, mirror=str(shelf))
    (shelf / "file.bin").write_bytes(BODY)
    assert obtain(asset_of(server), here, mirror=str(shelf)) is True
    assert (here / "file.bin").read_bytes() == BODY
    assert names(shelf) == ["file.bin"]
    assert server.asked == []


def test_a_url_given_as_mirror_is_asked_alone(server, tmp_path):
    asset = asset_of(server, "/elsewhere.bin")
    assert obtain(asset, tmp_path, mirror=f"{server.url}/") is True
    assert [path for path, _ in server.asked] == ["/file.bin"]


# ---- making something of a file -----------------------------------------------------------------


def made_of(server, body, file, makes):
    server.files[f"/{file}"] = body
    return replace(asset_of(server, f"/{file}", body=body), file=file, makes=makes)


def pack(members):
    """A .tgz of names and contents."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def signs(count=3):
    features = np.zeros((count, 32, 32, 3), np.uint8)
    return pickle.dumps({"features": features, "labels": np.arange(count)})


def test_flowers_are_unpacked_and_stay_where_they_are(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "FLOWERS", 2)
    body = pack({f"flower_photos/{kind}/1.jpg": b"jpg" for kind in ("daisy", "tulips")})
    asset = made_of(server, body, "flower_photos.tgz", "flower_photos")
    assert obtain(asset, tmp_path) is True
    assert names(tmp_path) == ["flower_photos"]
    assert obtain(asset, tmp_path) is False
    (tmp_path / "flower_photos/daisy/1.jpg").unlink()
    with pytest.raises(ValueError, match=r"expected 2 pictures, found 1; move it away"):
        obtain(asset, tmp_path)
    assert names(tmp_path) == ["flower_photos"]


def test_an_archive_cannot_write_outside_its_folder(server, tmp_path):
    body = pack({"../../outside.jpg": b"jpg"})
    asset = made_of(server, body, "flower_photos.tgz", "flower_photos")
    with pytest.raises(ValueError, match="outside"):
        obtain(asset, tmp_path / "here")
    assert names(tmp_path) == ["here"]
    assert names(tmp_path / "here") == []


def test_the_later_course_data_does_not_touch_train_p(server, tmp_path):
    (tmp_path / "train.p").write_bytes(b"the course's")
    members = {name: signs() for name in downloads.SIGNS} | {"../evil": b""}
    asset = made_of(server, zipped(members), "traffic-signs-data.zip", "traffic-signs-data")
    asset = replace(asset, hash="", exact=False)
    assert obtain(asset, tmp_path) is True
    assert names(tmp_path) == ["traffic-signs-data", "train.p"]
    assert names(tmp_path / "traffic-signs-data") == ["test.p", "train.p", "valid.p"]
    assert len(datasets.load(tmp_path / "traffic-signs-data/valid.p")) == 3


@pytest.mark.parametrize("body", [b"PK no zip", zipped({"train.p": b""})])
def test_a_zip_that_is_broken_or_another_is_not_the_right_file(body, server, tmp_path, capsys):
    asset = made_of(server, body, "traffic-signs-data.zip", "traffic-signs-data")
    with pytest.raises(transfers.Unavailable):
        obtain(replace(asset, hash="", exact=False), tmp_path)
    assert "not the right file" in capsys.readouterr().err
    assert names(tmp_path) == []


LAYERS = {"fc8": (np.eye(3, dtype=np.float32), np.arange(3, dtype=np.float32))}


@pytest.fixture
def converter(monkeypatch):
    """Stands in for reading 244 MB of caffemodel and for TensorFlow."""
    caffemodel = pytest.importorskip("lab.formats.caffemodel")
    monkeypatch.setattr(caffemodel, "load", lambda path: LAYERS)
    monkeypatch.setitem(downloads.CHECKS, "bvlc-alexnet.npy", np.load)


def test_the_caffemodel_becomes_a_file_in_the_courses_layout(server, tmp_path, converter):
    asset = made_of(server, BODY, "bvlc_alexnet.caffemodel", "bvlc-alexnet.npy")
    assert obtain(asset, tmp_path) is True
    assert names(tmp_path) == ["bvlc-alexnet.npy"]
    layers = np.load(tmp_path / "bvlc-alexnet.npy", allow_pickle=True).item()
    assert isinstance(layers["fc8"], list)
    np.testing.assert_array_equal(layers["fc8"][1], [0, 1, 2])


def test_a_caffemodel_fetched_by_hand_is_converted_and_kept(server, tmp_path, converter):
    asset = made_of(server, BODY, "bvlc_alexnet.caffemodel", "bvlc-alexnet.npy")
    (tmp_path / "bvlc_alexnet.caffemodel").write_bytes(BODY)
    assert obtain(asset, tmp_path) is True
    assert names(tmp_path) == ["bvlc-alexnet.npy", "bvlc_alexnet.caffemodel"]
    assert server.asked == []


def test_the_stand_in_is_fetched_when_no_mirror_has_the_first_choice(server, tmp_path, monkeypatch):
    stand_in = unhashed(server, monkeypatch)
    first = replace(
        asset_of(server, "/nowhere"), file="first", makes="file.bin", otherwise=stand_in
    )
    assert obtain(first, tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY


# ---- the program --------------------------------------------------------------------------------


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, PROJECT / "download.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def test_when_nothing_delivers_the_program_says_what_to_do_by_hand(tmp_path):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    ran = run("--from", shelf, "--to", tmp_path / "here")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert str(tmp_path / "here") in ran.stderr
    for name in download.LESSONS:
        for asset in assets.ASSETS[name]:
            for choice in asset.choices:
                assert all(url in ran.stderr for url in choice.mirrors)
    assert "python download.py gtsrb" in ran.stderr
    assert "--demo" in ran.stderr
    assert names(tmp_path / "here") == []


def test_without_a_network_the_program_asks_whether_there_is_one(tmp_path):
    ran = run("pictures", "--to", tmp_path, "--from", "http://no-such-host.invalid")
    assert ran.returncode == 2
    assert "Is this machine online?" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_environment_names_a_mirror(tmp_path):
    ran = run("pictures", "--to", tmp_path, ALEXNET_LAB_MIRROR=str(tmp_path / "no-such-folder"))
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "no-such-folder is neither a folder nor" in ran.stderr


def test_the_real_pictures_come_from_a_folder(lab_file, tmp_path):
    ran = run("pictures", "--to", tmp_path, "--from", lab_file("pictures"))
    assert ran.returncode == 0
    assert names(tmp_path) == ["construction.jpg", "poodle.png", "stop.jpg", "weasel.png"]
    assert ran.stdout.count("fetched, verified") == 4


def test_the_list_says_what_is_here_and_fetches_nothing(tmp_path):
    (tmp_path / "stop.jpg").touch()
    (tmp_path / "train.p.part").mkdir()
    ran = run("--list", "--to", tmp_path)
    assert ran.returncode == 0
    here = {line.split()[1]: line.split()[4] for line in ran.stdout.splitlines()[1:-2]}
    assert here["stop.jpg"] == "yes"
    assert here["train.p"] == "part"
    assert here["bvlc-alexnet.npy"] == "no"
    assert len(here) == 12
    assert names(tmp_path) == ["stop.jpg", "train.p.part"]


def test_help_answers_without_the_network_library():
    program = "import sys, download\ntry: download.main(['--help'])\nexcept SystemExit: pass\n"
    program += "print(sorted({'requests', 'tensorflow', 'numpy'} & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_an_unknown_name_is_one_line_that_lists_the_known_ones():
    ran = run("wieghts")
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "wieghts is none of weights, train" in ran.stderr


def test_every_asset_can_be_checked_and_comes_over_http():
    for group in assets.ASSETS.values():
        for asset in group:
            for choice in asset.choices:
                assert (
                    choice.hash or choice.file.endswith(".zip") or choice.result in downloads.CHECKS
                )
                assert choice.hash or not choice.exact
                assert all(url.startswith(("https://", "http://")) for url in choice.mirrors)
                assert not choice.makes or choice.makes in downloads.MAKERS
