"""The same shards on Ray Data: actors hold the network, on this machine or all over a cluster.

Ray hands out numbers of shards, and brings back how much was done. What else an actor needs it
reads itself: the plan in the folder of the result, the run and the weights by the names they have
on the command line. An actor that dies is started again, and so is its shard.
"""

import logging
import os
from contextlib import contextmanager
from functools import cached_property

import pyarrow.parquet as pq

from deploy.embed import plan

STORE = 2**28  # bytes for objects, of which there are next to none
# Of a Ray of our own: no token in the home directory, and nothing told about its use.
OWN = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}


class Worker:
    """An actor: numbers of shards go in; how much was done comes out, or what is to be mended."""

    def __init__(self, asked, digest, folder, cpus):
        self.asked, self.digest, self.folder, self.cpus = asked, digest, folder, cpus

    def __call__(self, rows):
        try:
            pictures, sizes = zip(*self._embedded(rows["shard"].tolist()), strict=True)
        except (OSError, ValueError) as error:  # of what it raised Ray would keep the text alone
            return {"pictures": [0], "size": [0], "error": [str(error)]}
        return {"pictures": [sum(pictures)], "size": [sum(sizes)], "error": [""]}

    def _embedded(self, numbers):
        model = self._model
        from deploy.embed import shards  # after lab.device, which prepares TensorFlow's start

        return [*shards.embed(numbers, self._plan, model, self.folder, self.asked.column)]

    # Not made in the beginning: who dies at that is not started again.
    @cached_property
    def _model(self):
        model = self.asked.loaded(self.cpus)
        if model.digest != self.digest:
            raise ValueError(f"{self.asked.run or self.asked.network}: is another on a machine")
        return model

    @cached_property
    def _plan(self):
        with self.folder.reading(plan.FILE) as file:
            return pq.read_table(file)


def embed(numbers, asked, digest, folder, workers=None, cpus=None, gpus=None):
    """Write the shards `numbers`. Yields how many pictures were seen, of how many bytes, by shard.

    asked: the model; digest: the name that every machine must come to. workers: actors;
    cpus, gpus: what each takes; see `shares` for what None means.
    Raises ValueError, one line, where an actor met what the user must mend.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext, from_items

    with _running(ray) as own:
        if own:  # a cluster may grow
            check_room(ray.nodes(), cpus, gpus)
        workers, cpus, gpus = shares(ray.nodes(), workers, cpus, gpus)
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_no_progress_timeout_s = -1  # an archive may take longer than any limit
        rows = from_items([{"shard": n} for n in numbers], override_num_blocks=len(numbers))
        done = rows.map_batches(
            Worker,
            fn_constructor_args=(asked, digest, folder, cpus),
            batch_size=1,
            # One shard at a time: what waits at an actor waits for it when its machine is lost.
            compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            num_cpus=cpus,
            num_gpus=gpus,
        )
        for row in done.iter_rows():
            if row["error"]:
                raise ValueError(row["error"])
            yield row["pictures"], row["size"]


@contextmanager
def _running(ray):
    """The cluster of RAY_ADDRESS or of `ray start`; without any a Ray of our own, for the time.

    Yields whether it is our own.
    """
    own = False
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        ray.init(address or "auto", **quiet)
    except ConnectionError:
        if address:
            raise
        own = True
        os.environ |= OWN
        ray.init("local", include_dashboard=False, object_store_memory=STORE, **quiet)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield own
    finally:
        ray.shutdown()


def check_room(nodes, cpus=None, gpus=None):
    """ValueError when no machine has so many processors or graphics cards; nodes: as Ray's list."""
    for option, asked, kind in (("--cpus", cpus, "CPU"), ("--gpus", gpus, "GPU")):
        there = max(int(node["Resources"].get(kind, 0)) for node in nodes)
        if asked and asked > there:
            raise ValueError(f"{option} {asked}: this machine has {there}")


def shares(nodes, workers=None, cpus=None, gpus=None):
    """How many actors there are, and the processors and the graphics cards of each.

    nodes: as Ray lists them. By default an actor has one card where there are any, else all
    processors of a machine; and there are as many actors as then have room.
    """
    machines = [node["Resources"] for node in nodes if node["Alive"]]
    if gpus is None:
        gpus = int(any(machine.get("GPU") for machine in machines))
    room = []
    for machine in machines:
        processors = int(machine.get("CPU", 0))
        cards = int(machine.get("GPU", 0) // max(1, gpus))
        count = cards if gpus else processors // max(1, cpus or processors)
        room.append((count, processors // max(1, count)))
    fits = [each for each in room if each[0]]
    return (
        workers or max(1, sum(count for count, _ in fits)),
        cpus or min((each for _, each in fits), default=1),
        gpus,
    )
