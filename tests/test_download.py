"""download.py as people run it."""

import os
import subprocess
import sys

import pytest
from conftest import PROJECT
from served import asset_of, names

import download
from lab.downloads import assets
from tests.broken_server import BODY


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


HOSTILE = ["a\nfile.bin: already here, verified", "\x1b[2J", "\x9b2J", os.fsdecode(b"\xff\xfe")]


@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_a_folder_cannot_forge_results_nor_end_the_program(
    name, server, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(download, "ASSETS", {"file": (asset_of(server),)})
    folder = tmp_path / name
    assert download.main(["file", "--to", str(folder)]) == 0
    assert download.main(["--list", "--to", str(folder)]) == 0
    assert (folder / "file.bin").read_bytes() == BODY
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 5  # a result, the list of one under its heading, a space, a folder
    assert all(line.isprintable() for line in said)


@pytest.mark.parametrize("place", ["http://", "http://[::1", "ftp://host", "a" * 5000, "\x1b[2J"])
def test_a_place_that_is_none_is_one_line(place, tmp_path):
    ran = run("pictures", "--to", tmp_path, "--from", place)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.rstrip("\n").isprintable()
    assert "is neither a folder nor" in ran.stderr


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


def test_a_pipe_in_the_place_of_a_picture_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "poodle.png")
    ran = run("pictures", "--to", tmp_path)
    assert ran.returncode == 2
    assert "poodle.png: expected a file" in ran.stderr.splitlines()[-1]
    assert "Traceback" not in ran.stderr


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
