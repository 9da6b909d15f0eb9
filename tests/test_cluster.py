"""Who the workers are, by TF_CONFIG and by Slurm, and what is said when that makes no sense."""

import json
import os
import socket

import pytest

import train_finetuning
from lab import cluster

TASK = {"type": "worker", "index": 0}
SLURM = {
    "SLURM_PROCID": "2",
    "SLURM_NTASKS": "3",
    "SLURM_JOB_ID": "1",
    "SLURM_STEP_NODELIST": "n[9-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Set, so that what a test sets is taken back; empty, so that it says nothing.
    monkeypatch.setenv("TF_CONFIG", "")
    for name in SLURM:
        monkeypatch.delenv(name, raising=False)


def config(workers, task=TASK):
    return json.dumps({"cluster": {"worker": workers}, "task": task})


def complaint(capsys):
    """The line with which the script refuses."""
    with pytest.raises(SystemExit, match="2"):
        train_finetuning.main(["--demo", "--distribute", "multiworker"])
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_without_any_word_of_the_workers_it_says_what_to_set(capsys):
    line = complaint(capsys)
    assert 'set TF_CONFIG to {"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}' in line
    assert "or start it with Slurm's srun" in line


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "TF_CONFIG: Invalid JSON"),
        ("[]", "TF_CONFIG: Input should be an object"),
        ("{}", "TF_CONFIG: cluster: Field required"),
        (config([]), "TF_CONFIG: cluster.worker: List should have at least 1 item"),
        (config("a:1"), "TF_CONFIG: cluster.worker: Input should be a valid array"),
        (config(["one"]), "TF_CONFIG: cluster.worker.0: String should match"),
        (config(["one:0"]), "TF_CONFIG: cluster.worker.0: String should match"),
        (config(["http://one:1"]), "TF_CONFIG: cluster.worker.0: String should match"),
        (config(["a:1", "a:1"]), "expected different addresses, found one twice"),
        (config(["a:1"], {"type": "ps", "index": 0}), "TF_CONFIG: task.type: Input should be"),
        (config(["a:1"], {"type": "worker", "index": 1}), "expected one below 1, found 1"),
        (config(["a:1"], {"type": "worker", "index": -1}), "TF_CONFIG: task.index: Input should"),
        (config(["127.0.0.1:70000"]), "127.0.0.1:70000: this port is not to be had"),
        (config(["no host.invalid:1"]), "TF_CONFIG: cluster.worker.0: String should match"),
        (config(["127.0.0.1:1", "nowhere.invalid:1"]), "nowhere.invalid:1: this machine finds no"),
        (
            json.dumps({"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": TASK}),
            "TF_CONFIG: cluster.ps: Extra inputs are not permitted",
        ),
    ],
)
def test_what_makes_no_sense_is_one_line(capsys, monkeypatch, text, found):
    monkeypatch.setenv("TF_CONFIG", text)
    assert found in complaint(capsys)


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
def test_a_port_in_use_is_one_line(capsys, monkeypatch, host):
    with socket.create_server((host, 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("TF_CONFIG", config([address]))
        assert f"{address}: this port is not to be had (Address already in use)" in (
            complaint(capsys)
        )


def agree(monkeypatch, *said):
    """Let a worker for each of `said` compare it with what the others say."""
    sent = {}
    monkeypatch.setattr(cluster, "place", lambda worker: (worker, len(said)))
    monkeypatch.setattr(cluster, "total", lambda worker, n: 0 * sent.setdefault(worker, n))
    for worker, facts in enumerate(said):
        cluster.check_same(worker, facts)
    monkeypatch.setattr(cluster, "total", lambda worker, n: sum(sent.values()))
    for worker, facts in enumerate(said):
        cluster.check_same(worker, facts)


def test_workers_at_the_same_work_begin(monkeypatch):
    agree(monkeypatch, *[{"its pictures": "abc", "its weights": ""}] * 3)


def test_a_worker_at_other_work_is_named_and_so_is_what_differs(monkeypatch):
    first, other = {"its pictures": "abc", "its weights": "d"}, {"its pictures": "abc"}
    with pytest.raises(ValueError, match="worker 2 differs from worker 0 in its weights"):
        agree(monkeypatch, first, first, other | {"its weights": "e"})


# ---- Slurm --------------------------------------------------------------------------------------


def of_slurm(monkeypatch, **changes):
    """The addresses and the index that Slurm's variables come to."""
    for name, value in (SLURM | changes).items():
        monkeypatch.setenv(name, value)
    cluster.writes("multiworker")
    found = json.loads(os.environ["TF_CONFIG"])
    return found["cluster"]["worker"], found["task"]["index"]


def test_slurm_says_where_the_workers_are_in_the_order_of_its_nodes(monkeypatch):
    assert of_slurm(monkeypatch) == (["n9:20016", "n9:20017", "n10:20016"], 2)


def test_without_a_step_the_tasks_are_spread_evenly(monkeypatch):
    changes = {"SLURM_STEP_NODELIST": "", "SLURM_STEP_TASKS_PER_NODE": ""}
    workers, _ = of_slurm(monkeypatch, SLURM_JOB_NODELIST="a,b", SLURM_NTASKS="4", **changes)
    assert [address.split(":")[0] for address in workers] == ["a", "a", "b", "b"]


def test_two_jobs_on_a_node_have_ports_of_their_own(monkeypatch):
    one, _ = of_slurm(monkeypatch)
    monkeypatch.setenv("TF_CONFIG", "")
    two, _ = of_slurm(monkeypatch, SLURM_JOB_ID="2")
    assert {*one}.isdisjoint(two)


def test_tf_config_wins_over_slurm(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text := config(["a:1", "b:1"]))
    assert of_slurm(monkeypatch) == (["a:1", "b:1"], 0)
    assert os.environ["TF_CONFIG"] == text


@pytest.mark.parametrize(
    "changes",
    [{"SLURM_PROCID": "x"}, {"SLURM_STEP_NODELIST": "n[9-x]"}, {"SLURM_NTASKS": ""}],
)
def test_variables_of_slurm_that_make_no_sense_are_one_line(capsys, monkeypatch, changes):
    for name, value in (SLURM | changes).items():
        monkeypatch.setenv(name, value)
    assert "Slurm's variables make no sense" in complaint(capsys)


@pytest.mark.parametrize(
    ("listing", "names"),
    [
        ("node7", ["node7"]),
        ("n[1-2],m5,o[3-4,6]", ["n1", "n2", "m5", "o3", "o4", "o6"]),
        ("n[08-10]", ["n08", "n09", "n10"]),
        ("r[1-2]n[1-2].cluster", [f"r{r}n{n}.cluster" for r in (1, 2) for n in (1, 2)]),
    ],
)
def test_the_short_form_of_nodes_is_read(listing, names):
    assert cluster.hosts(listing) == names


@pytest.mark.parametrize(("spread", "tasks"), [("3", [3]), ("2(x3),1", [2, 2, 2, 1])])
def test_the_short_form_of_tasks_is_read(spread, tasks):
    assert cluster._tasks(spread) == tasks
