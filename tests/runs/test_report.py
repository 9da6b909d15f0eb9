"""The report stands alone, believes nothing it reads, and says what its numbers are worth."""

import errno
import json
import re
import shutil
import socket
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
from PIL import Image

from lab.runs import report

EVIL = '</title><script>alert("1")</script><img src=x onerror=alert(2)>'
RECORD = {
    "command": "python train_feature_extraction.py --data 'my <b>pictures</b>'",
    "arguments": {"epochs": 2, "data": EVIL},
    "started": "2026-01-02T03:04:05+00:00",
    "versions": {"tensorflow": "2.21.0"},
    "device": "CPU",
    "network": "alexnet",
    "preprocess": "caffe",
    "seed": 7,
    "names": ["stop", EVIL],
    "weights": {"path": "bvlc-alexnet.npy", "sha256": "ab" * 32},
    "data": {"path": f"/data/{EVIL}", "sha256": "cd" * 32, "pictures": 1500, "tracks": 50},
    "split": {"kind": "track", "train": 1000, "validation": 500},
    "metrics": {
        "train": {"loss": 0.1, "accuracy": 0.99},
        "validation": {"loss": 0.5, "accuracy": 0.8, "interval": [0.75, 0.85]},
    },
    "best_epoch": 2,
}
EVALUATION = {"count": 200, "accuracy": 0.7, "interval": [0.6, 0.78], "loss": 0.9}


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, wanted):
        return [attributes for tag, attributes in self.tags if tag == wanted]


@pytest.fixture
def run(tmp_path):
    """A run folder with two plots."""
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    epochs = {key: [0.7, 0.5] for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
    pd.DataFrame({"epoch": [1, 2], **epochs}).to_csv(tmp_path / "history.csv", index=False)
    noise = np.random.default_rng(0).integers(0, 256, (700, 1500, 3), np.uint8)
    for name in ("mistakes", "learning_curves", "zebra"):
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    return tmp_path


def evaluated(run):
    (run / "evaluation.json").write_text(json.dumps(EVALUATION))
    table = {"name": ["None", EVIL], "precision": [0.5, None], "recall": [0.9, 0.2]}
    table |= {"f1": [0.6, None], "support": [10, 20]}
    pd.DataFrame(table).rename_axis("label").to_csv(run / "evaluation.csv")
    return run


def page(run):
    return Page(report.write(run).read_text(encoding="utf-8"))


def test_it_refers_to_nothing_outside_and_runs_no_script(run):
    found = page(evaluated(run))
    assert not found.all("script")
    addresses = [a[key] for _, a in found.tags for key in ("src", "href", "srcset") if key in a]
    outside = [address for address in addresses if not address.startswith("#")]
    assert len(outside) == 4
    assert all(address.startswith("data:") for address in outside)
    style = (run / "report.html").read_text()
    assert "http:" not in style
    assert "https:" not in style
    assert "@import" not in style


def test_what_it_reads_cannot_become_a_tag(run):
    found = page(evaluated(run))
    assert not [a for _, a in found.tags if any(key.startswith("on") for key in a)]
    assert not found.all("b")
    assert all("alt" in image for image in found.all("img"))
    assert found.text.count("onerror") >= 4  # title, heading, table, arguments: all as text


def test_plots_come_in_order_with_captions_and_unknown_ones_last(run):
    found = page(run)
    alts = [image["alt"] for image in found.all("img")]
    assert [alt.split(".")[0] for alt in alts] == [
        "Learning curves",
        "Worst mistakes, validation",
        "zebra",
    ]
    assert "it only remembers" in found.text


def test_contents_lead_to_every_section(run):
    found = page(evaluated(run))
    links = [a["href"] for a in found.all("a")]
    sections = [f"#{section['id']}" for section in found.all("section")]
    assert links == sections
    assert len(links) == 3 + 3  # plots; classes, recipe, epochs
    contents = found.text[: found.text.index("it only remembers")]
    for heading in ("Learning curves", "zebra", "Class by class", "How to repeat it"):
        assert heading in contents


def test_a_split_by_track_is_said_to_be_on_signs_never_seen(run):
    text = page(run).text
    assert "80.0% of 500 validation pictures are named right, none of them of a sign" in text


FOLDER = {"path": "flower_photos", "sha256": "cd" * 32, "pictures": 1500, "tracks": None}
NEVER = "none of them of a group it was trained on"
LESS = "only near-copies were kept apart"


@pytest.mark.parametrize(
    ("split", "arguments", "said"),
    [
        ({"by": "pattern"}, {}, NEVER),
        ({"by": "copies"}, {}, LESS),
        ({"by": "random", "kind": "random"}, {}, "which flatters"),
        ({"kind": "random"}, {}, "which flatters"),  # records made before `by` was noted
        ({"kind": "track"}, {}, LESS),
        ({"kind": "track"}, {"group_pattern": "(.*)_"}, NEVER),
    ],
)
def test_of_a_folder_the_page_says_what_was_kept_apart_and_nothing_of_signs(split, arguments, said):
    changed = {"data": FOLDER, "split": RECORD["split"] | split, "arguments": arguments}
    text = Page(report.page(RECORD | changed, {}, [], [], {})).text
    assert said in " ".join(text.split())
    assert "--group-pattern" in text
    assert not re.search(r"\bsigns?\b", text)


def test_a_random_split_is_said_to_flatter(run):
    (run / "run.json").write_text(
        json.dumps(RECORD | {"split": RECORD["split"] | {"kind": "random"}})
    )
    text = page(run).text
    assert "flatters" in text
    assert "none of them of a sign" not in text


def test_a_test_set_takes_the_headline_with_its_interval(run):
    text = page(evaluated(run)).text
    assert "70.0% of the test pictures are named right (95% interval 60.0% to 78.0%)" in text
    assert text.index("70.0%") < text.index("80.0%")


@pytest.mark.parametrize(
    ("without", "end"), [(0.625, "flatters; of the others 62.5% are"), (None, "flatters.")]
)
def test_test_pictures_that_were_trained_on_are_said_to_flatter(run, without, end):
    trained_on = {"count": 12, "accuracy_without": without}
    (run / "evaluation.json").write_text(json.dumps(EVALUATION | {"trained_on": trained_on}))
    assert f"12 of them were also trained on, which {end}" in page(run).text


def test_a_test_that_was_calibrated_is_not_compared_with_what_was_not(run):
    assert "calibrated" not in page(evaluated(run)).text
    (run / "evaluation.json").write_text(json.dumps(EVALUATION | {"temperature": 1.23456}))
    assert "calibrated afterwards (temperature\n1.235)" in page(run).text


def test_plots_of_the_test_set_come_before_those_of_validation(run):
    shutil.copy(run / "mistakes.png", run / "test_mistakes.png")
    alts = [image["alt"] for image in page(run).all("img")]
    assert [alt.split(".")[0] for alt in alts][1:3] == [
        "Worst mistakes, test set",
        "Worst mistakes, validation",
    ]


def test_classes_come_hardest_first_and_one_may_be_called_none(run):
    text = page(evaluated(run)).text
    table = text[text.index("Class by class") :]
    assert table.index("onerror") < table.index("None")
    assert "NaN" not in text
    assert "none was given its name" in text
    assert table[table.index("onerror") :].split("\n")[1:3] == ["–", "0.200"]


def test_it_says_how_to_repeat_the_run(run):
    text = page(run).text
    for fact in (RECORD["command"], "ab" * 32, "cd" * 32, "2.21.0", "seed"):
        assert fact in text


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("python t.py --name x --data 'my signs'", "python t.py --data 'my signs'"),
        ("python t.py --out=a/b --name=x --resume --epochs 4", "python t.py --epochs 4"),
        ("python t.py --named --out", "python t.py --named"),
        ("python 'unbalanced", "python 'unbalanced"),
    ],
)
def test_the_command_to_repeat_a_run_meets_no_run_of_its_name(typed, shown):
    text = Page(report.page(RECORD | {"command": typed}, {}, [], [], {})).text
    assert text[text.rindex("How to repeat it") :].splitlines()[1] == shown


def test_method_network_and_layer_are_part_of_the_recipe():
    record = RECORD | {"method": "fine-tuning", "network": "vgg16", "layer": "conv4"}
    text = Page(report.page(record, {}, [], [], {})).text
    for fact in ("fine-tuning", "vgg16", "conv4"):
        assert fact in text[text.index("How to repeat it") :]


def test_moments_are_told_in_universal_time():
    record = RECORD | {"started": "2026-01-02T01:04:05+09:00"}
    assert "2026-01-01 16:04:05 UTC" in report.page(record, {}, [], [], {})


def test_small_figures_are_not_rounded_to_nothing():
    epochs = [{"epoch": 1000, "l2": 0.0003, "loss": 0.12345, "val_loss": float("nan")}]
    text = Page(report.page(RECORD, {}, [], epochs, {})).text
    cells = text[text.rindex("val_loss") :].split()
    assert cells == ["val_loss", "1,000", "0.0003", "0.123", "–"]


def test_a_report_that_cannot_be_written_leaves_the_former_one(run, monkeypatch):
    former = report.write(run).read_text()

    def full(path, text, **_):
        path.write_bytes(text[:100].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="free some space"):
        report.write(run)
    assert (run / "report.html").read_text() == former


def test_a_folder_without_a_run_is_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a training run, found no run\.json"):
        report.write(tmp_path)


@pytest.mark.parametrize("file", ["run.json", "evaluation.json", "evaluation.csv", "history.csv"])
@pytest.mark.parametrize("content", ["", "{", "{}", "[1, 2]", "a,b\n1,x\n"])
def test_a_damaged_file_is_one_line_that_names_it(run, file, content):
    (evaluated(run) / file).write_text(content)
    with pytest.raises(ValueError, match=file) as error:
        report.write(run)
    assert "\n" not in str(error.value)


def test_an_unfinished_training_has_no_report(run):
    (run / "run.json").write_text(json.dumps({k: RECORD[k] for k in RECORD if k != "metrics"}))
    with pytest.raises(ValueError, match="has not ended"):
        report.write(run)


# ---- in a real browser -------------------------------------------------------------------------

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def driver():
    """A function that sends a WebDriver command to chromedriver and returns the answer."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and chromedriver on the PATH")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)

    def send(path, body=None, method="POST"):
        url = f"http://127.0.0.1:{port}/{path}"
        reply = requests.request(method, url, json=body or {}, timeout=60)
        reply.raise_for_status()
        return reply.json()["value"]

    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield send
    process.terminate()
    process.wait()


LOOK = """return {
    window: innerWidth, page: document.documentElement.scrollWidth,
    images: [...document.images].every(image => image.complete && image.naturalWidth),
    wide: document.querySelector('.wide').scrollWidth, sheets: document.styleSheets.length}"""


def seen(driver, path, width, profile):
    """What a browser `width` pixels wide makes of a page, and what it says on its console."""
    metrics = {"width": width, "height": 844, "pixelRatio": 1, "mobile": True}
    options = {
        "args": [*FLAGS, f"--user-data-dir={profile}"],
        "mobileEmulation": {"deviceMetrics": metrics},
    }
    wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    capabilities = {"capabilities": {"alwaysMatch": wanted}}
    session = f"session/{driver('session', capabilities)['sessionId']}"
    try:
        driver(f"{session}/url", {"url": path.as_uri()})
        look = driver(f"{session}/execute/sync", {"script": LOOK, "args": []})
        return look, driver(f"{session}/se/log", {"type": "browser"})
    finally:
        driver(session, method="DELETE")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_errors_or_scrolling_sideways(driver, run, width, tmp_path):
    path = report.write(evaluated(run))
    look, console = seen(driver, path, width, tmp_path / "profile")
    assert console == []
    assert look["window"] == look["page"] == width
    assert look["images"]
    assert look["sheets"] == 1, "the policy lets the page's own style through"
    if width == 390:
        assert look["wide"] > width, "plots keep a size that can be read and scroll in their box"


def test_a_plot_of_common_width_fits_a_telephone(driver, run, tmp_path):
    Image.new("RGB", (1024, 900)).save(run / "learning_curves.png")
    look, _ = seen(driver, report.write(run), 390, tmp_path / "profile")
    assert look["wide"] < 390
