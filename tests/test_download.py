"""download.py as people run it."""

import os
import subprocess
import sys

from conftest import PROJECT
from served import names

import download
from lab.downloads import assets


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
