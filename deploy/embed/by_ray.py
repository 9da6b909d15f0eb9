"""The same shards on Ray Data: actors hold the network, on this machine or all over a cluster.

Ray hands out numbers of shards, and brings back how much was done. What else an actor needs it
reads itself: the plan in the folder of the result, the run and the weights by the names they have
on the command line. An actor that dies is started again, and so is its shard.
"""

import logging
import os
from contextlib import contextmanager

import pyarrow.parquet as pq

from deploy.embed import plan

STORE = 2**28  # bytes for objects, of which there are next to none
# Of a Ray of our own: no token in the home directory, and nothing told about its use.
OWN = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}


class Worker:
    """An actor. numbers of shards go in, how much was done comes out."""

    def __init__(self, asked, digest, folder, cpus):
        self.asked, self.model, self.folder = asked, asked.loaded(cpus), folder
        if self.model.digest != digest:
            raise ValueError(f"{asked.run or asked.network}: is another one on this machine")
        with folder.reading(plan.FILE) as file:
            self.plan = pq.read_table(file)

    def __call__(self, rows):
        from deploy.embed import shards

        numbers, column = rows["shard"].tolist(), self.asked.column
        done = [*shards.embed(numbers, self.plan, self.model, self.folder, column)]
        pictures, sizes = zip(*done, strict=True)
        return {"pictures": [sum(pictures)], "size": [sum(sizes)]}


def embed(numbers, asked, digest, folder, workers=None, cpus=None, gpus=None):
    """Write the shards `numbers`. Yields how many pictures were seen, of how many bytes, by shard.

    asked: the model; digest: the name that every machine must come to. workers: actors;
    cpus, gpus: what each takes; see `shares` for what None means.
    Raises OSError or ValueError, one line, when an actor did.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext, from_items

    with _running(ray):
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
        try:
            for row in done.iter_rows():
                yield row["pictures"], row["size"]
        except ray.exceptions.RayError as error:
            raise _cause(error) from error


@contextmanager
def _running(ray):
    """The cluster of RAY_ADDRESS or of `ray start`; without any a Ray of our own, for the time."""
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        ray.init(address or "auto", **quiet)
    except ConnectionError:
        if address:
            raise
        os.environ |= OWN
        ray.init("local", include_dashboard=False, object_store_memory=STORE, **quiet)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


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


def _cause(error):
    """What an actor raised, if it is for the user to mend; else the error as it is."""
    cause = error
    while cause := cause.__cause__ or getattr(cause, "cause", None):
        if isinstance(cause, OSError | ValueError) and not isinstance(cause, type(error)):
            return type(cause)(str(cause).splitlines()[0])
    return error
