"""The server: every picture gets its own answer, whoever else asks, and whatever they send."""

import io
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import requests
from conftest import PROJECT
from narrow_vgg16 import NARROW, VGG16, as_tensors, random_arrays
from PIL import Image

for name in ("fastapi", "httptools", "prometheus_client", "python_multipart"):
    pytest.importorskip(name)
uvicorn = pytest.importorskip("uvicorn")

from deploy.serve import __main__ as command
from deploy.serve import load
from deploy.serve.app import build
from deploy.serve.batcher import Batcher
from deploy.serve.classifier import Answer, Classifier, Name
from deploy.serve.limits import Limits
from lab import networks
from lab.data import images
from lab.runs.record import Record
from lab.runs.run import Run

WIDTH = VGG16.layers["fc6"]


def png(grey=100, size=16):
    file = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), grey, np.uint8)).save(file, "png")
    return file.getvalue()


def record():
    figures, sha256 = {"loss": 1.0, "accuracy": 0.5}, "ab" * 32
    return Record(
        command="python", arguments={}, started="2026-01-01T00:00:00Z", versions={}, device="CPU",
        network="vgg16", layer="fc6", preprocess="caffe", precision="float32", seed=0,
        names=[f"kind {label}" for label in range(5)],
        weights={"path": "w", "sha256": sha256},
        data={"path": "d", "sha256": sha256, "pictures": 3},
        split={"kind": "random", "train": 2, "validation": 1},
        metrics={"train": figures, "validation": figures},
    )  # fmt: skip


class Grey:
    """A classifier that sees how bright a picture is, and says so; `open` lets it go on."""

    sizes, maps = [1, 2, 4], True

    def __init__(self, folder):
        network = SimpleNamespace(name="vgg16")
        self.run = SimpleNamespace(folder=folder, network=network, names="ab", record=record())
        self.open, self.warm, self.batches = threading.Event(), threading.Event(), []
        self.open.set()
        self.warm.set()

    def warm_up(self):
        self.warm.wait(20)

    def prepared(self, file):
        return images.read(file)

    def answers(self, pictures):
        self.open.wait(20)
        self.batches.append(len(pictures))
        return [Answer(names=[Name(name=f"{p.mean():.0f}", probability=1)], strange=False)
                for p in pictures]  # fmt: skip

    def decisive(self, file):
        return [[float(images.read(file).mean() / 255)]]


@contextmanager
def serving(classifier, **limits):
    """The address of a server of its own, once it is there; it ends as SIGTERM ends it."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = build(classifier, Limits(**limits))
    server = uvicorn.Server(command.configured(app))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        address = SimpleNamespace(
            url=f"http://127.0.0.1:{listener.getsockname()[1]}", server=server, thread=thread
        )
        if classifier.warm.is_set():
            wait_until(lambda: requests.get(f"{address.url}/health", timeout=20).ok)
        yield address
    finally:
        classifier.warm.set()
        classifier.open.set()
        server.should_exit = True
        thread.join(20)


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def grey(tmp_path):
    return Grey(tmp_path)


@pytest.fixture
def served(grey):
    with serving(grey, bytes=200_000, pictures=8) as address:
        yield address


def predict(served, *contents, **options):
    files = [("files", (f"{n}.png", content)) for n, content in enumerate(contents)]
    return requests.post(f"{served.url}/predict", files=files, timeout=20, **options)


# ---- batches -------------------------------------------------------------------------------------


def asked(batcher, questions):
    """Futures of questions that all wait before the first is answered."""
    futures = [batcher.ask(question) for question in questions]
    batcher.start()
    batcher.stop()
    return futures


def test_who_waits_shares_a_batch_of_a_size_that_is_compiled():
    batches = []

    def double(questions):
        batches.append(len(questions))
        return [2 * question for question in questions]

    futures = asked(Batcher(double, [1, 2, 4]), range(11))
    assert [future.result(20) for future in futures] == [*range(0, 22, 2)]
    assert batches == [4, 4, 2, 1]


def test_a_batch_that_fails_as_a_whole_is_not_the_last():
    batcher = Batcher(lambda xs: [1 // x for x in xs], [1])
    broken, whole = asked(batcher, [0, 1])
    with pytest.raises(ZeroDivisionError):
        broken.result(20)
    assert whole.result(20) == 1


def test_who_no_longer_waits_takes_no_place():
    batches, batcher = [], Batcher(lambda xs: batches.append(xs) or xs, [1, 2])
    gone, *futures = [batcher.ask(question) for question in range(3)]
    gone.cancel()
    batcher.start()
    batcher.stop()
    assert [future.result(20) for future in futures] == [1, 2]
    assert batches == [[1, 2]]


# ---- a run ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """Of a run on narrow VGG16."""
    with pytest.MonkeyPatch.context() as patch:
        small = {**networks.NETWORKS, "vgg16": replace(VGG16, batch=4)}
        patch.setattr(networks, "NETWORKS", small)
        keras.utils.set_random_seed(0)
        head = keras.Sequential([keras.Input([WIDTH]), keras.layers.Dense(5)])
        weights = as_tensors(random_arrays(NARROW))
        made = Classifier(Run(tmp_path_factory.mktemp("run"), record(), weights, head), top=3)
        made.warm_up()
        yield made


def noise(seed, size=40):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(pixels).save(file, "png")
    return file


def test_every_batch_size_says_what_the_run_says(classifier, tmp_path):
    assert classifier.sizes == [1, 2, 4]
    paths = [tmp_path / f"{seed}.png" for seed in range(4)]
    for seed, path in enumerate(paths):
        path.write_bytes(noise(seed).getvalue())
    expected, _ = classifier.run.judged(paths, cache=False)
    for size in classifier.sizes:
        answers = classifier.answers([classifier.prepared(noise(seed)) for seed in range(size)])
        for answer, row in zip(answers, expected, strict=False):
            assert [name.name for name in answer.names] == [
                f"kind {label}" for label in (-row).argsort()[:3]
            ]
            found = [name.probability for name in answer.names]
            np.testing.assert_allclose(found, np.sort(row)[:-4:-1], atol=1e-3)


def test_features_that_overflow_are_the_fault_of_one_picture(classifier):
    well = classifier.prepared(noise(0))
    answer, error = classifier.answers([well, 1e30 * well])
    assert answer.names[0].name == classifier.answers([well])[0].names[0].name
    assert isinstance(error, ValueError)


def test_the_map_of_what_decided_goes_from_0_to_1(classifier):
    heat = np.array(classifier.decisive(noise(0, size=600)))
    assert heat.shape == (14, 14)
    assert heat.min() >= 0
    assert heat.max() == 1


# ---- over HTTP -----------------------------------------------------------------------------------


def test_each_picture_has_its_answer_in_its_place(served):
    response = predict(served, *[png(grey) for grey in (10, 90, 200)])
    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["file"] for result in results] == ["0.png", "1.png", "2.png"]
    assert [result["names"][0]["name"] for result in results] == ["10", "90", "200"]
    assert results[0]["map"] is None


def test_the_map_comes_to_who_asks_for_it(served):
    (result,) = predict(served, png(255), params={"map": True}).json()["results"]
    assert result["map"] == [[1.0]]


BROKEN = {
    "text": (b"no picture", 415),
    "nothing": (b"", 415),
    "cut": (png(size=64)[:-40], 422),
    "bomb": (load.BOMB, 413),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_bad_picture_is_refused_and_its_neighbours_are_not(served, kind):
    content, status = BROKEN[kind]
    alone = predict(served, content)
    assert alone.status_code == status
    (refused,) = alone.json()["results"]
    assert refused["detail"].startswith("expected a ")
    beside = predict(served, png(10), content, png(20))
    assert beside.status_code == 200
    first, second, third = beside.json()["results"]
    assert [first["names"][0]["name"], third["names"][0]["name"]] == ["10", "20"]
    assert second["status"] == status


def test_a_fault_of_ours_is_not_blamed_on_the_picture(served, grey, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(grey, "answers", lambda _: int("a ValueError"))
        assert predict(served, png()).status_code == 500
    assert predict(served, png()).status_code == 200
    assert 'serve_requests_total{status="500"} 1.0' in metrics(served)


def test_a_name_cannot_forge_lines_or_command_a_terminal(served):
    files = {"files": ("a\x1b[31m\nb.png" + "x" * 500, b"no picture")}
    body = requests.post(f"{served.url}/predict", files=files, timeout=20).json()
    assert body["results"][0]["file"].isprintable()
    assert len(body["results"][0]["file"]) <= 200


MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
FILE = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
ENDLESS = [FILE, *[b"x" * 1000] * 300]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"data": png(), "headers": {"Content-Type": "image/png"}}, 415),
        ({"json": {"files": []}}, 415),
        ({"data": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ({"data": b"x", "headers": MULTIPART}, 400),
        ({"files": {"files": (None, "only text")}}, 400),
        ({"files": [("files", ("a.png", png()))] * 9}, 400),
        ({"files": {"files": b"x" * 300_000}}, 413),
        ({"data": iter(ENDLESS), "headers": MULTIPART}, 413),
    ],
    ids=["a picture alone", "JSON", "no boundary", "no parts", "no file", "too many", "too long",
         "too long, in pieces"],
)  # fmt: skip
def test_what_is_no_upload_of_pictures_is_refused_in_words(served, options, status):
    response = requests.post(f"{served.url}/predict", timeout=20, **options)
    assert response.status_code == status
    assert response.json()["detail"]
    assert predict(served, png(7)).json()["results"][0]["names"][0]["name"] == "7"


def test_who_asks_at_once_shares_batches(served, grey):
    grey.open.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(predict, served, png(20 * n)) for n in range(8)]
        wait_until(lambda: "serve_pictures_waiting 8.0" in metrics(served))
        time.sleep(0.2)
        grey.open.set()
        names = [answer.result().json()["results"][0]["names"][0]["name"] for answer in answers]
    assert names == [str(20 * n) for n in range(8)]
    assert max(grey.batches) >= 2
    assert len(grey.batches) < 8


def metrics(served):
    return requests.get(f"{served.url}/metrics", timeout=20).text


def test_a_full_queue_says_when_to_come_again(grey):
    grey.open.clear()
    with serving(grey, queue=2) as served, ThreadPoolExecutor(1) as pool:
        first = pool.submit(predict, served, png(1), png(2))
        wait_until(lambda: "serve_pictures_waiting 2.0" in metrics(served))
        turned_away = predict(served, png(3))
        assert turned_away.status_code == 503
        assert int(turned_away.headers["Retry-After"]) >= 1
        grey.open.set()
        assert first.result().status_code == 200
        assert predict(served, png(3)).status_code == 200


def test_bodies_that_would_fill_memory_wait_outside(grey):
    with serving(grey, bytes=1000, held=1000) as served:
        with slow_upload(served, 990, sent=900):
            wait_until(lambda: predict(served, png()).status_code == 503)
        wait_until(lambda: predict(served, png()).status_code == 200)


def test_who_only_says_that_much_will_come_locks_nobody_out(grey):
    with (
        serving(grey, bytes=1000, held=1000) as served,
        slow_upload(served, 990),
        slow_upload(served, 990),
    ):
        time.sleep(0.1)
        assert predict(served, png()).status_code == 200


def slow_upload(served, length, sent=0):
    """A connection on which a request has begun, and nothing more will come."""
    host, port = served.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(
        b"POST /predict HTTP/1.1\r\nHost: lab\r\nContent-Length: %d\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b" % length + b"\r\n" + b"-" * sent
    )
    return connection


def test_an_upload_that_never_ends_is_ended(grey, monkeypatch):
    monkeypatch.setattr("deploy.serve.limits.LINGER", 0.1)
    with serving(grey, seconds=0.2) as served, slow_upload(served, 900) as connection:
        connection.settimeout(20)
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_an_answer_that_takes_too_long_is_given_up_and_the_next_is_not(grey):
    with serving(grey, seconds=0.3) as served:
        grey.open.clear()
        assert predict(served, png()).status_code == 503
        grey.open.set()
        assert predict(served, png()).status_code == 200


def test_it_is_ready_only_when_it_is_warm(grey):
    grey.warm.clear()
    with serving(grey) as served:
        wait_until(lambda: served.server.started)
        health = requests.get(f"{served.url}/health", timeout=20)
        assert health.status_code == 503
        assert health.json()["status"] == "warming up"
        assert predict(served, png()).status_code == 503
        grey.warm.set()
        wait_until(lambda: requests.get(f"{served.url}/health", timeout=20).ok)
        assert requests.get(f"{served.url}/health", timeout=20).json()["status"] == "ready"


def test_what_cannot_warm_up_says_so(grey, monkeypatch):
    monkeypatch.setattr(grey, "warm_up", lambda: [][0])
    grey.warm.clear()
    with serving(grey) as served:
        wait_until(lambda: served.server.started)
        wait_until(lambda: "failed: IndexError" in requests.get(f"{served.url}/health").text)
        assert predict(served, png()).status_code == 503


def test_told_to_stop_it_answers_what_it_has_accepted(grey, capsys):
    grey.open.clear()
    with serving(grey) as served, ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(predict, served, png(30 * n)) for n in range(6)]
        wait_until(lambda: "serve_pictures_waiting 6.0" in metrics(served))
        served.server.should_exit = True  # what SIGTERM does
        time.sleep(0.3)
        grey.open.set()
        names = [answer.result().json()["results"][0]["names"][0]["name"] for answer in answers]
        assert names == [str(30 * n) for n in range(6)]
        served.thread.join(20)
        assert not served.thread.is_alive()
    arrived, answered = [
        part.split()[0] for part in capsys.readouterr().err.split("Stopped: ")[1].split(", ")
    ]
    assert arrived == answered


def test_metrics_count_requests_by_status_and_pictures_by_outcome(served):
    predict(served, png(), b"no picture")
    predict(served, b"no picture")
    told = metrics(served)
    for line in (
        'serve_requests_total{status="415"} 1.0',
        'serve_pictures_total{outcome="named"} 1.0',
        'serve_pictures_total{outcome="refused"} 2.0',
        "serve_seconds_count 2.0",
        "serve_pictures_waiting 0.0",
    ):
        assert line in told.splitlines()


def test_the_page_needs_nothing_from_elsewhere(served):
    page = requests.get(served.url, timeout=20)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "//" not in page.text.replace("  //", "").replace("\n//", "")
    assert requests.get(f"{served.url}/docs", timeout=20).status_code == 404


def test_openapi_tells_how_to_send_files_and_what_comes_back(served):
    told = requests.get(f"{served.url}/openapi.json", timeout=20).json()
    post = told["paths"]["/predict"]["post"]
    form = post["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["files"]["type"] == "array"
    assert {"200", "400", "408", "413", "415", "422", "503"} <= post["responses"].keys()
    assert {"/predict", "/health", "/metrics"} <= told["paths"].keys()


def test_the_load_driver_finds_every_answer_right(served, tmp_path, capsys):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(noise(number).getvalue())
    options = ["--url", served.url, "--requests", "60", "--at-once", "4", "--bad", "0.3"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deploy.serve.limits.LINGER", 0.05)
        assert load.main([str(tmp_path), *options]) == 0
    assert "Requests: 60" in capsys.readouterr().out


def test_the_load_driver_tells_what_is_lost_from_where_the_server_stops(served, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(png())
    asked = [str(tmp_path), "--url", served.url, "--requests", "2"]
    assert load.main(asked) == 0
    served.server.should_exit = True
    served.thread.join(20)
    assert load.main(asked) == 1
    assert "WRONG: 2 x lost: ConnectionRefusedError: expected 200" in capsys.readouterr().out


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def known_run(monkeypatch):
    monkeypatch.setattr("lab.runs.asked.run", lambda *_: None)


def complaint(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        command.main([*arguments])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_help_shows_what_to_type():
    line = [sys.executable, "-m", "deploy.serve", "--help"]
    done = subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: deploy.serve [-h]")
    assert "python -m deploy.serve --run" in done.stdout


def test_a_folder_that_is_no_run_is_one_line(tmp_path, capsys):
    assert "no run.json" in complaint(capsys, "--run", str(tmp_path))


def test_a_port_in_use_is_one_line(known_run, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = complaint(capsys, "--port", port)
    assert f"127.0.0.1 port {port}: Address already in use" in line


def test_missing_packages_are_one_line_that_says_what_to_install(known_run, capsys, monkeypatch):
    monkeypatch.setattr(command, "NEEDED", ("uvicorn", "no_such_package"))
    line = complaint(capsys)
    assert "no_such_package: not installed" in line
    assert "deploy/serve/requirements.txt" in line
