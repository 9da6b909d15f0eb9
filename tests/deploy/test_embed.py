"""Any number of pictures become Parquet: none lost, none twice, whatever is broken or killed."""

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
fsspec = pytest.importorskip("fsspec")

import keras
import narrow_vgg16
import pyarrow.parquet as pq
from conftest import PROJECT
from PIL import Image

from deploy.embed import __main__ as command
from deploy.embed import by_ray, folder, plan, reading, shards, sources, work
from deploy.embed.bar import Bar
from deploy.embed.model import Asked
from lab.features.extraction import Frozen, extract
from lab.runs import strangeness
from lab.runs.record import Record
from lab.runs.run import Run
from tests.deploy.pixels import Pixels, colour
from tests.runs.records import RECORD

COUNT = 10


def png(number, size=(8, 6)):
    """A picture of its own, as the bytes of a file."""
    pixels = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


PICTURES = {f"{number:02}.png": png(number) for number in range(COUNT)}
COLOURS = {name: colour(np.asarray(Image.open(io.BytesIO(c)))) for name, c in PICTURES.items()}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A current folder with the pictures in `pictures`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALEXNET_LAB_CACHE", str(tmp_path / "cache"))
    Path("pictures").mkdir()
    for name, content in PICTURES.items():
        Path("pictures", name).write_bytes(content)
    return tmp_path


@pytest.fixture
def seen(monkeypatch):
    """The command's network is the narrow one; the pictures that it was shown."""
    looks = []

    class Noted(Pixels):
        def prepared(self, file):
            looks.append(file)
            return super().prepared(file)

    monkeypatch.setattr(Asked, "_frozen", lambda asked: Noted())
    return looks


def embed(*arguments, out="out", shard=4):
    options = ["--network", "alexnet", "--demo", "--out", out, "--shard", shard]
    command.main([str(each) for each in (*arguments, *options)])


@pytest.fixture
def complaint(capsys):
    """A function: arguments with which the command must end in one line on stderr -> that line."""

    def complain(*arguments, **options):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            embed(*arguments, **options)
        said = capsys.readouterr()
        assert stop.value.code == 2
        assert not said.out
        (line,) = said.err.splitlines()
        return line

    return complain


def rows(out="out", what="features"):
    """(path, member) -> what was told, of all shards; each must be there once."""
    found = {}
    for file in sorted(Path(out, what).glob("*")):
        assert file.suffix == ".parquet", "a file that nobody finished"
        for row in pq.read_table(file).to_pylist():
            key = row.pop("path"), row.pop("member")
            assert key not in found
            found[key] = row
    return found


def broken(out="out"):
    with Path(out, "broken.csv").open(newline="") as file:
        return {(row["path"], row["member"]): row["reason"] for row in csv.DictReader(file)}


def check(found, names=PICTURES):
    """These pictures are there, each with the features that it has."""
    by_name = {Path(member or path).name: row["features"] for (path, member), row in found.items()}
    assert by_name.keys() == {*names}
    for name in names:
        np.testing.assert_array_equal(by_name[name], COLOURS[name])


def tar(path, contents=PICTURES, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"some/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def zipped(path, contents=PICTURES):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"some/{name}", content)


# ---- what there is -------------------------------------------------------------------------------


def test_a_folder_becomes_shards_in_the_order_of_names(place, seen):
    embed("pictures")
    check(rows())
    files = sorted(Path("out/features").iterdir())
    assert [pq.read_metadata(file).num_rows for file in files] == [4, 4, 2]
    assert [path for path, _ in rows()] == [str(place / "pictures" / name) for name in PICTURES]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_is_a_shard(place, seen, mode):
    suffix = mode.partition(":")[2]
    tar(f"signs.tar.{suffix}" if suffix else "signs.tar", mode=mode)
    embed("signs.tar*")
    check(rows())
    assert len(list(Path("out/features").iterdir())) == 1


def test_a_zip_is_a_shard(place, seen):
    zipped("signs.zip")
    embed("signs.zip")
    check(rows())
    assert {member for _, member in rows()} == {f"some/{name}" for name in PICTURES}


@pytest.mark.parametrize("in_struct", [False, True])
def test_rows_of_parquet_are_pictures(place, seen, in_struct):
    contents = [*PICTURES.values()]
    image = [{"bytes": content, "path": None} for content in contents] if in_struct else contents
    pq.write_table(pa.table({"label": range(COUNT), "image": image}), "signs.parquet")
    embed("signs.parquet")
    found = rows()
    assert [member for _, member in found] == [str(row) for row in range(COUNT)]
    for row, expected in zip(found.values(), COLOURS.values(), strict=True):
        np.testing.assert_array_equal(row["features"], expected)


def test_of_several_columns_one_must_be_named(place, seen, complaint):
    table = pa.table({"left": [*PICTURES.values()], "right": [*PICTURES.values()][::-1]})
    pq.write_table(table, "signs.parquet")
    assert "(left, right" in complaint("signs.parquet")
    assert "found middle" in complaint("signs.parquet", "--column", "middle")
    embed("signs.parquet", "--column", "right")
    np.testing.assert_array_equal([*rows().values()][-1]["features"], COLOURS["00.png"])


def test_object_storage_is_read_and_written(place, seen):
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for name, content in PICTURES.items():
        memory.pipe_file(f"/bucket/{name}", content)
    tar("signs.tar", {"10.png": PICTURES["00.png"]})
    memory.put_file("signs.tar", "/bucket/more/signs.tar")
    embed("memory://bucket", out="memory://result")
    memory.get("/result", str(place / "got"), recursive=True)
    found = rows("got")
    assert len(found) == COUNT + 1
    assert ("memory:///bucket/more/signs.tar", "some/10.png") in found
    check({key: row for key, row in found.items() if key[1] is None})
    looks = len(seen)
    embed("memory://bucket", out="memory://result")
    assert len(seen) == looks


def test_a_picture_that_is_named_twice_counts_once(place, seen):
    embed("pictures/03.png", "pictures", "pictures/0*.png", f"file://{place}/pictures/01.png")
    check(rows())


def test_the_result_is_no_source(place, seen):
    embed("pictures", out="pictures/out")
    embed("pictures", out="pictures/out")
    check(rows("pictures/out"))


def test_a_name_may_look_like_a_pattern(place, seen):
    Path("pictures/00.png").rename("pictures/[0].png")
    embed("pictures/[0].png")
    assert [path for path, _ in rows()] == [str(place / "pictures/[0].png")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nowhere", "nowhere is not there"),
        ("empty", "empty: expected pictures, .tar, .zip or .parquet, found none"),
        ("empty/*.png", "found none"),
        ("notes.txt", "found another kind of file"),
        ("nonsense://bucket", "nonsense"),
        pytest.param("s3://bucket", "s3fs", marks=pytest.mark.skipif(find_spec("s3fs"), reason="")),
    ],
)
def test_what_stands_for_no_picture_is_one_line(place, complaint, name, expected):
    Path("empty").mkdir()
    Path("notes.txt").touch()
    assert expected in complaint(name)


# ---- what is broken ------------------------------------------------------------------------------

CUT, TEXT = PICTURES["00.png"][:100], b"no picture at all"
WHOLE = {name: content for name, content in PICTURES.items() if name > "01.png"}
SOME = {"00.png": CUT, "01.png": TEXT} | WHOLE


def test_a_picture_whose_features_are_no_numbers_is_broken_and_hurts_no_other(
    place, seen, monkeypatch
):
    def overflow(self, images, features=Pixels.features):
        found = features(self, images)
        return found / found * found  # of black 0 / 0

    black = io.BytesIO()
    Image.new("RGB", (8, 6)).save(black, "png")
    Path("pictures/black.png").write_bytes(black.getvalue())
    monkeypatch.setattr(Pixels, "features", overflow)
    embed("pictures")
    assert broken() == {(str(place / "pictures/black.png"), ""): "its features are no numbers"}
    assert len(rows()) == COUNT


@pytest.mark.parametrize(("read", "counts"), [(1, [1] * COUNT), (2**30, [COUNT])])
def test_of_large_pictures_fewer_are_held_at_once(monkeypatch, read, counts):
    monkeypatch.setattr(shards, "CONTENTS", read)
    pictures = iter([reading.Picture("a.tar", name, len(c), c) for name, c in PICTURES.items()])
    chosen = iter(lambda: shards._next(pictures, 128), [])
    assert [len(batch) for batch in chosen] == counts


def test_a_folder_of_other_files_is_left_alone(place, complaint):
    Path("letters").mkdir()
    Path("letters/dear.txt").touch()
    assert "found dear.txt: name another --out" in complaint("pictures", out="letters")
    assert [path.name for path in Path("letters").iterdir()] == ["dear.txt"]


def test_where_no_picture_can_be_read_nothing_was_done(place, seen, capsys):
    for name in PICTURES:
        Path("pictures", name).write_bytes(TEXT)
    with pytest.raises(SystemExit, match="2"):
        embed("pictures")
    assert "found none that can be read: see" in capsys.readouterr().err
    assert len(broken()) == len(PICTURES)


def test_broken_pictures_are_listed_with_reasons_and_hurt_no_other(place, seen):
    for name, content in SOME.items():
        Path("pictures", name).write_bytes(content)
    embed("pictures")
    check(rows(), WHOLE)
    reasons = broken()
    assert reasons.keys() == {(str(place / "pictures" / name), "") for name in ("00.png", "01.png")}
    first, second = reasons.values()
    assert first.startswith("expected a whole picture, found damage")
    assert second.startswith("expected a picture (PNG")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_so_are_those_in_archives(place, seen, kind):
    {"tar": tar, "zip": zipped}[kind](f"signs.{kind}", SOME)
    embed(f"signs.{kind}")
    check(rows(), WHOLE)
    assert {member for _, member in broken()} == {"some/00.png", "some/01.png"}


def test_so_are_those_in_tables(place, seen):
    contents = [CUT, None, *PICTURES.values()]
    pq.write_table(pa.table({"image": pa.array(contents, pa.binary())}), "signs.parquet")
    embed("signs.parquet")
    assert len(rows()) == COUNT
    assert "found none" in broken()[str(place / "signs.parquet"), "1"]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda content: content[:5000], "unexpected end of data"),
        (lambda content: content[:6144], "cut or damaged: empty header"),
        (lambda content: content[:5120] + bytes(1) + b"x" * 511 + content[5632:], "cut or damaged"),
    ],
    ids=["in a picture", "between two", "a head"],
)
def test_of_a_damaged_tar_what_comes_before_is_kept_and_the_rest_is_told(
    place, seen, damage, expected
):
    tar("signs.tar")
    content = Path("signs.tar").read_bytes()
    Path("signs.tar").write_bytes(damage(content))
    embed("signs.tar")
    kept = [*PICTURES][: len(rows())]
    assert 0 < len(kept) < COUNT
    check(rows(), kept)
    assert expected in broken()[str(place / "signs.tar"), ""]


@pytest.mark.parametrize("name", ["signs.tar", "signs.tar.gz", "signs.zip", "signs.parquet"])
def test_an_archive_that_is_none_is_broken(place, seen, name):
    Path(name).write_bytes(TEXT * 100)
    embed(name, "pictures")
    check(rows())
    assert [*broken()] == [(str(place / name), "")]


def test_a_name_too_long_to_be_one_is_not_read(place, seen):
    with tarfile.open("signs.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a" * (reading.LARGEST_NAME + 1)))
    embed("signs.tar", "pictures")
    assert "a name of" in broken()[str(place / "signs.tar"), ""]


def test_a_member_that_says_it_is_huge_is_not_read(place, seen, monkeypatch):
    monkeypatch.setattr(reading.images, "MAX_BYTES", 1000)
    for archive, write in {"signs.tar": tar, "signs.zip": zipped}.items():
        write(archive, {"00.png": bytes(1001)} | WHOLE)
    embed("signs.tar", "signs.zip")
    assert len(rows()) == 2 * len(WHOLE)
    assert all(
        "expected a picture of at most 1,000 bytes" in reason for reason in broken().values()
    )


def test_a_damaged_member_of_a_zip_hurts_no_other(place, seen):
    zipped("signs.zip")
    content = bytearray(Path("signs.zip").read_bytes())
    content[60] ^= 255
    Path("signs.zip").write_bytes(content)
    embed("signs.zip")
    check(rows(), [*PICTURES][1:])
    assert [member for _, member in broken()] == ["some/00.png"]


def test_a_picture_that_is_gone_by_its_turn_is_broken(place, seen, monkeypatch):
    agree = plan.agree

    def removes(*arguments):
        agree(*arguments)
        Path("pictures/05.png").unlink()

    monkeypatch.setattr(plan, "agree", removes)
    embed("pictures")
    assert [Path(path).name for path, _ in broken()] == ["05.png"]
    assert len(rows()) == COUNT - 1


def test_a_storage_that_fails_stops_and_loses_nothing(place, seen, complaint, monkeypatch):
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for name, content in PICTURES.items():
        memory.pipe_file(f"/bucket/{name}", content)
    whole = type(memory).cat_file

    def fails(fs, path, *arguments, **options):
        if path.endswith("05.png"):
            raise TimeoutError("no answer from the bucket")
        return whole(fs, path, *arguments, **options)

    monkeypatch.setattr(type(memory), "cat_file", fails)
    assert "no answer from the bucket" in complaint("memory://bucket")
    assert len(rows()) == 4
    monkeypatch.setattr(type(memory), "cat_file", whole)
    embed("memory://bucket")
    check(rows())


# ---- what stops and goes on ----------------------------------------------------------------------


def test_the_same_command_goes_on_with_what_is_missing(place, seen, complaint, monkeypatch):
    features = Pixels.features

    def fails(self, batch):
        if len(seen) > 8:
            raise ValueError("no more")
        return features(self, batch)

    monkeypatch.setattr(Pixels, "features", fails)
    assert "no more" in complaint("pictures", out="out")
    before = {file: file.stat().st_mtime_ns for file in Path("out/features").iterdir()}
    assert 0 < len(before) < 3
    monkeypatch.setattr(Pixels, "features", features)
    seen.clear()
    embed("pictures")
    assert len(seen) == COUNT - 4 * len(before)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    check(rows())


def test_what_is_done_is_not_done_again(place, seen, capsys):
    embed("pictures")
    seen.clear()
    embed("pictures")
    assert not seen
    assert capsys.readouterr().out.count("10 pictures: ") == 2


def test_a_killed_program_leaves_what_the_next_one_goes_on_with(place):
    note = place / "note"
    note.mkdir()
    arguments = [
        sys.executable,
        "-m",
        "tests.deploy.pixels",
        place / "pictures",
        place / "out",
        note,
    ]
    killed = subprocess.Popen(arguments, cwd=PROJECT, stderr=subprocess.DEVNULL)
    wait_for(lambda: any(place.glob("out/features/*.parquet")), killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert len([*Path("out/features").glob("*.parquet")]) < 3
    subprocess.run(arguments, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    check(rows())


def wait_for(there, process, seconds=120):
    end = time.monotonic() + seconds
    while not there():
        assert process.poll() is None, "it ended too soon"
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def test_other_sources_are_refused(place, seen, complaint):
    embed("pictures")
    Path("pictures/10.png").write_bytes(png(10))
    assert f"{place}/pictures/10.png was not there" in complaint("pictures")
    Path("pictures/10.png").unlink()
    Path("pictures/03.png").write_bytes(png(3, (9, 9)))
    assert f"{place}/pictures/03.png has changed" in complaint("pictures")
    Path("pictures/03.png").unlink()
    assert f"{place}/pictures/03.png is gone; name another --out" in complaint("pictures")


def test_other_questions_are_refused(place, seen, complaint, monkeypatch):
    embed("pictures")
    assert "was begun with another --dtype" in complaint("pictures", "--dtype", "float32")
    assert "was begun with another --shard" in complaint("pictures", shard=5)
    monkeypatch.setattr(Pixels, "text", lambda *_: "others")
    assert "was begun with another run or network" in complaint("pictures")


def test_one_program_at_a_time(place, seen, complaint):
    with folder.Folder("out").held():
        assert "another program is at work here" in complaint("pictures")


def test_options_that_do_not_go_together_are_refused(place, complaint, monkeypatch):
    assert "a network alone has no classes" in complaint("pictures", "--what", "predictions")
    assert "--engine ray" in complaint("pictures", "--workers", 2)
    assert "expected a run, by --run, or a network alone" in complaint("pictures", "--run", "run")
    monkeypatch.setattr(command, "find_spec", lambda name: name != "fsspec")
    assert "fsspec not installed: `make embed`" in complaint("pictures")


# ---- what is told --------------------------------------------------------------------------------


def test_features_are_those_of_the_lab(place):
    """Of a batch that is full, and one that is not."""
    kernels = narrow_vgg16.as_tensors(narrow_vgg16.random_arrays(narrow_vgg16.NARROW))
    network = replace(narrow_vgg16.VGG16, batch=4)
    frozen = Frozen(network, kernels, "fc6", "caffe", network.precision("float32"))
    files = sources.listed(["pictures"], leave_out="/nowhere")
    table, out = plan.made(files, 6), folder.Folder("out")
    for dtype in "float16", "float32":
        model = Asked("features", dtype)._features(frozen)
        assert sum(count for count, _ in shards.embed([0, 1], table, model, out)) == COUNT
        found = np.array([row["features"] for row in rows().values()], dtype)
        paths = [Path(file.path) for file in files]
        expected = extract(paths, kernels, precision="float32", cache=False, network=network)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
        assert pq.read_schema("out/features/000000.parquet").field("features").type == pa.list_(
            pa.from_numpy_dtype(dtype), frozen.width
        )


class NarrowRun(Run):
    def frozen(self):
        return Pixels()


def narrow_run(usual=None):
    head = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
    record = Record.model_validate_json(json.dumps(RECORD))
    return NarrowRun(Path("run"), record, {}, head, usual)


def predicted(run, monkeypatch, out):
    """What is told of the pictures by a run, in place of the one that is loaded."""
    monkeypatch.setattr("lab.runs.run.load", lambda *_, **options: run)
    monkeypatch.setattr(work.runs, "run", lambda *_, **options: (Path("run"), None, None))
    command.main(["pictures", "--run", "run", "--what", "predictions", "--out", out])
    return [*rows(out, "predictions").values()]


def test_predictions_are_those_of_the_run(place, monkeypatch):
    features = np.stack([*COLOURS.values()])
    split = np.arange(COUNT), np.arange(COUNT)
    usual, _ = strangeness.fit(features, np.arange(COUNT) % 2, split)
    run = narrow_run(usual)
    probabilities, strange = run.judged_by(features)
    found = predicted(run, monkeypatch, "out")
    assert [row["name"] for row in found] == [RECORD["names"][i] for i in probabilities.argmax(1)]
    for name, expected in {"probability": probabilities.max(1), "strangeness": strange}.items():
        np.testing.assert_allclose([row[name] for row in found], expected, rtol=1e-3)


def test_where_strangeness_is_unknown_none_is_told(place, monkeypatch):
    found = predicted(narrow_run(), monkeypatch, "out")
    assert {row["strangeness"] for row in found} == {None}


def test_another_head_is_another_run(place, monkeypatch, capsys):
    predicted(narrow_run(), monkeypatch, "out")
    with pytest.raises(SystemExit):
        predicted(narrow_run(), monkeypatch, "out")
    assert "was begun with another run or network" in capsys.readouterr().err


def test_it_is_told_how_far_it_is(capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    now = iter(range(0, 1000, 20))
    with Bar("features", 1000, 200, clock=lambda: next(now)) as bar:
        for _ in range(4):
            bar.advance(100, 100)
    first, *_ = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"features: 40%, [1-9] pictures/s, about \d+ \w+ left", first)


# ---- Ray -----------------------------------------------------------------------------------------


def node(**resources):
    return {"Alive": resources.pop("alive", True), "Resources": resources}


@pytest.mark.parametrize(
    ("nodes", "asked", "expected"),
    [
        ([node(CPU=2.0)], {}, (1, 2, 0)),
        ([node(CPU=16.0), node(CPU=8.0)], {}, (2, 8, 0)),
        ([node(CPU=16.0), node(CPU=8.0)], {"cpus": 4}, (6, 4, 0)),
        ([node(CPU=16.0), node(CPU=8.0, alive=False)], {}, (1, 16, 0)),
        ([node(CPU=4.0), node(CPU=32.0, GPU=4.0)], {}, (4, 8, 1)),
        ([node(CPU=4.0), node(CPU=32.0, GPU=4.0)], {"gpus": 2, "cpus": 3}, (2, 3, 2)),
        ([node()], {"workers": 50, "cpus": 8}, (50, 8, 0)),
        ([node()], {}, (1, 1, 0)),
    ],
)
def test_an_actor_takes_a_card_or_a_machine(nodes, asked, expected):
    assert by_ray.shares(nodes, **asked) == expected


@pytest.mark.parametrize(
    ("asked", "said"), [({"cpus": 9}, "--cpus 9: this machine has 8"), ({"gpus": 1}, "has 0")]
)
def test_what_no_machine_has_is_said(asked, said):
    by_ray.check_room([node(CPU=8.0)], cpus=8)
    with pytest.raises(ValueError, match=said):
        by_ray.check_room([node(CPU=8.0)], **asked)


def test_the_job_for_a_cluster_is_a_command():
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((PROJECT / "deploy/embed/rayjob.yaml").read_text())
    _, option, module, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (option, module) == ("-m", "deploy.embed")
    assert command.command_line().parse_args(arguments).engine == "ray"


MORE = {f"{number:02}.png": png(number) for number in range(40)}


@pytest.fixture
def on_ray(place):
    """A function: begins the command on Ray, over 40 pictures in 10 shards; a process."""
    pytest.importorskip("ray")
    for name, content in MORE.items():
        Path("pictures", name).write_bytes(content)
    Path("note").mkdir()
    arguments = [sys.executable, "-m", "tests.deploy.pixels", place / "pictures", place / "out"]
    arguments += [place / "note", "--engine", "ray", "--cpus", "1"]
    begun = []

    def begin(**environment):
        options = {"cwd": PROJECT, "env": os.environ | environment, "stdout": subprocess.DEVNULL}
        with Path("stderr").open("w") as stderr:
            begun.append(subprocess.Popen(arguments, stderr=stderr, **options))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()


def first_shard(process):
    wait_for(lambda: any(Path("out/features").glob("*.parquet")), process)
    assert len([*Path("out/features").glob("*.parquet")]) < len(MORE) // 4


def check_all(process):
    assert process.wait(240) == 0
    by_name = {Path(path).name: row["features"] for (path, _), row in rows().items()}
    assert by_name.keys() == MORE.keys()
    check({key: row for key, row in rows().items() if Path(key[0]).name in PICTURES})


@pytest.mark.slow
def test_an_actor_that_is_killed_loses_and_doubles_nothing(on_ray):
    driver = on_ray()
    first_shard(driver)
    actors = {int(path.name) for path in Path("note").iterdir()} - {driver.pid}
    os.kill(actors.pop(), signal.SIGKILL)
    check_all(driver)
    assert len([*Path("note").iterdir()]) > 2  # another one took over


@pytest.mark.slow
def test_a_driver_that_is_killed_loses_and_doubles_nothing(on_ray):
    driver = on_ray()
    first_shard(driver)
    driver.kill()
    check_all(on_ray())


@pytest.mark.slow
def test_a_machine_that_is_lost_loses_and_doubles_nothing(on_ray):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        machines = [cluster.add_node(num_cpus=1) for _ in range(2)]
        driver = on_ray(RAY_ADDRESS=cluster.address)
        first_shard(driver)
        wait_for(lambda: len([*Path("note").iterdir()]) > 2, driver)  # both are at work
        cluster.remove_node(machines[0], allow_graceful=False)
        check_all(driver)
    finally:
        cluster.shutdown()


@pytest.mark.slow
def test_what_an_actor_complains_about_is_one_line(on_ray):
    driver = on_ray(PIXELS_DIFFER="1")
    assert driver.wait(240) == 2
    *_, line = Path("stderr").read_text().splitlines()
    assert line.endswith("alexnet: is another on a machine")
