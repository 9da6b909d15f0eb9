"""Only files are opened, and what is none is one line at once."""

import os
import socket

import pytest

from lab.formats import files


def test_a_file_and_a_link_to_one_are_opened(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    for path in tmp_path / "file", str(tmp_path / "link"):
        with files.opened(path) as file:
            assert file.read() == b"content"


def test_pipes_devices_and_sockets_are_refused_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    for name in "pipe", "device", "socket":
        with pytest.raises(ValueError, match=f"{name}: expected a file, found a pipe, a device"):
            files.opened(tmp_path / name)


def test_folders_and_links_to_nothing_are_errors_of_the_system(tmp_path):
    (tmp_path / "link").symlink_to("nothing")
    with pytest.raises(FileNotFoundError, match="link"):
        files.opened(tmp_path / "link")
    with pytest.raises(IsADirectoryError):
        files.opened(tmp_path)
