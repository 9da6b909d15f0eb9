"""Several machines that share a training: who they are, and whether all are at the same work.

Each runs the same program and is a worker. TF_CONFIG, or what Slurm sets, says where the workers
are and which of them this is. Worker 0 is the one that writes.
"""

import hashlib
import json
import os
import re
import signal
import socket
from contextlib import contextmanager
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab import device
from lab.console import notice
from lab.device import tf

EXAMPLE = (
    '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'
)
PORTS = 20_000, 10_000  # the first that a job of Slurm may be given, and how many follow
LOST = tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError

Address = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:.]+\]|[^:/\s\[\]]+):[1-9][0-9]{0,4}$")]


class _Workers(BaseModel):
    model_config = ConfigDict(extra="forbid")  # other kinds of tasks would be waited for in vain
    worker: Annotated[list[Address], Field(min_length=1)]


class _Task(BaseModel):
    type: Literal["worker"]
    index: Annotated[int, Field(ge=0)]


class _Config(BaseModel):
    """What TF_CONFIG says."""

    model_config = ConfigDict(strict=True)
    cluster: _Workers
    task: _Task


def strategy(choice=None):
    """How devices share a training: a strategy of tf.distribute.

    choice: "multiworker" for those of several machines; others are `device.strategy`'s. Returns
    when all workers are there. Call it before TensorFlow computes anything.
    Raises ValueError or OSError when TF_CONFIG makes no sense or its port is not to be had.
    """
    if choice != "multiworker":
        return device.strategy(choice)
    config = _config()
    workers, index = config.cluster.worker, config.task.index
    for address in workers:
        _check_known(address)
    _check_free(workers[index])
    notice(f"Worker {index} of {len(workers)}, at {workers[index]}: waiting until all are there")
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's waits until TensorFlow is done
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise OSError(f"{workers[index]}: cannot join the others: {error.message}") from error
    finally:
        signal.signal(signal.SIGINT, usual)


def writes(choice=None):
    """Whether this program keeps results, as all do but workers other than the first."""
    return choice != "multiworker" or _config().task.index == 0


def place(strategy):
    """Which worker this is, and how many there are."""
    resolver = strategy.cluster_resolver
    workers = resolver.cluster_spec().as_dict().get("worker", []) if resolver else []
    return (resolver.task_id, len(workers)) if workers else (0, 1)


def total(strategy, numbers):
    """The sum of the `numbers` of all workers, a tensor of float32."""
    _, workers = place(strategy)
    if workers == 1:
        return numbers
    devices = strategy.num_replicas_in_sync // workers  # of which the first has the numbers

    def share(context):
        first = context.replica_id_in_sync_group % devices == 0
        return numbers if first else tf.zeros_like(numbers)

    shares = strategy.experimental_distribute_values_from_function(share)
    return strategy.reduce(tf.distribute.ReduceOp.SUM, shares, axis=None)


def check_same(strategy, facts):
    """ValueError unless what this worker says is what all others say, on every one of them.

    facts: what they are about, in words -> a text.
    """
    index, workers = place(strategy)
    if workers == 1:
        return
    # Bytes, which float32 holds exactly: every kind of device can add them up.
    mine = [list(hashlib.sha256(text.encode()).digest()) for text in facts.values()]
    of_all = tf.scatter_nd([[index]], tf.constant([mine], tf.float32), [workers, *tf.shape(mine)])
    of_all = total(strategy, of_all).numpy()
    for other, said in enumerate(of_all):
        for what, one, first in zip(facts, said, of_all[0], strict=True):
            if (one != first).any():
                raise ValueError(f"worker {other} differs from worker 0 in {what}")


@contextmanager
def explained():
    """Of a worker that waits in vain for another: OSError."""
    try:
        yield
    except LOST as error:
        raise OSError(
            "another worker has ended: see what it said last, mend that, and start all workers "
            "again, with --resume"
        ) from error


# ---- where the workers are ----------------------------------------------------------------------


def _config():
    if not os.environ.get("TF_CONFIG") and "SLURM_PROCID" in os.environ:
        os.environ["TF_CONFIG"] = json.dumps(_of_slurm(os.environ))
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise ValueError(
            f"--distribute multiworker: set TF_CONFIG to {EXAMPLE}, on each machine with an index "
            "of its own, or start it with Slurm's srun"
        )
    try:
        config = _Config.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        found = ": ".join(filter(None, [where, first["msg"]]))
        raise ValueError(f"TF_CONFIG: {found}; expected {EXAMPLE}") from error
    workers, index = config.cluster.worker, config.task.index
    if index >= len(workers):
        raise ValueError(f"TF_CONFIG: task.index: expected one below {len(workers)}, found {index}")
    if len({*workers}) < len(workers):
        raise ValueError("TF_CONFIG: cluster.worker: expected different addresses, found one twice")
    return config


def _of_slurm(variables):
    """What TF_CONFIG should be for this task of a job of Slurm.

    TensorFlow's SlurmClusterResolver fails without graphics cards, and numbers n10 before n9.
    """
    try:
        index, count = (int(variables[name]) for name in ("SLURM_PROCID", "SLURM_NTASKS"))
        listing = variables.get("SLURM_STEP_NODELIST") or variables["SLURM_JOB_NODELIST"]
        nodes = hosts(listing)
        spread = variables.get("SLURM_STEP_TASKS_PER_NODE")
        tasks = _tasks(spread) if spread else [-(-count // len(nodes))] * len(nodes)
        job = int(variables.get("SLURM_JOB_ID", 0))
    except (KeyError, ValueError) as error:
        raise ValueError(f"Slurm's variables make no sense: {error}; set TF_CONFIG") from error
    start, number = PORTS
    workers = [
        f"{node}:{start + (job * 16 + i) % number}"
        for node, here in zip(nodes, tasks, strict=False)
        for i in range(here)
    ]
    return {"cluster": {"worker": workers[:count]}, "task": {"type": "worker", "index": index}}


def hosts(listing):
    """The nodes that Slurm names in short: "n[08-10,12],m5" -> n08, n09, n10, n12, m5."""
    return [
        name for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", listing) for name in _expanded(part)
    ]


def _expanded(part):
    before, bracket, rest = part.partition("[")
    if not bracket:
        return [part]
    inside, _, after = rest.partition("]")
    return [
        before + number + end
        for span in inside.split(",")
        for number in _numbers(span)
        for end in _expanded(after)
    ]


def _numbers(span):
    """ "08-10" -> 08, 09, 10."""
    first, _, last = span.partition("-")
    return [f"{i:0{len(first)}}" for i in range(int(first), int(last or first) + 1)]


def _tasks(spread):
    """How many tasks each node has: "2(x3),1" -> 2, 2, 2, 1."""
    found = re.findall(r"(\d+)(?:\(x(\d+)\))?", spread)
    return [int(count) for count, times in found for _ in range(int(times or 1))]


def _split(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _check_known(address):
    host, port = _split(address)
    try:
        socket.getaddrinfo(host, port)
    except (OSError, OverflowError, UnicodeError) as error:
        raise OSError(f"TF_CONFIG: {address}: this machine finds no such host ({error})") from error


def _check_free(address):
    _, port = _split(address)
    try:
        socket.create_server(("", port)).close()  # of all interfaces, as TensorFlow's own
    except (OSError, OverflowError) as error:
        found = os.strerror(error.errno) if isinstance(error, OSError) else error
        raise OSError(
            f"TF_CONFIG: {address}: this port is not to be had ({found}): name another, for all "
            "workers, or end the program that has it"
        ) from error
