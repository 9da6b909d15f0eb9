"""Who is measured, in which order, how often. Results are series: name -> values with a unit."""

import time
from dataclasses import dataclass

import numpy as np

from benchmarks import commands
from benchmarks.contenders import CONTENDERS
from benchmarks.worker import Worker
from lab.console import notice

CEILINGS = ["ceiling-float32", "ceiling-bfloat16"]
VALIDATION = 0.33  # the course's share


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 7
    long_rounds: int = 3  # of what takes minutes
    seconds: float = 2.0  # that a measurement of a contender takes at least
    batches: tuple = (64, 128, 256)  # of which each contender gets its fastest
    lab_pictures: int = 512  # given at once to this lab, which has its own batches
    sizes: tuple = (1024, 2048, 4096)  # of the matrices for the ceiling
    pictures: int = 39_209
    epochs: int = 10
    course_batches: int = 8  # of the course's training that are measured
    head_rows: int = 26_000
    counts: tuple = (1000, 4000, 16_000, 39_209)  # pictures, for scaling


QUICK = Plan(
    rounds=2, long_rounds=1, seconds=0.1, batches=(8,), lab_pictures=16, sizes=(256,), pictures=260,
    epochs=1, course_batches=1, head_rows=512, counts=(16, 32, 64),
)  # fmt: skip


def prepare(folder, weights, data, plan):
    """What all measurements need, see `preparation.prepare`. ValueError when it fails."""
    worker = Worker("preparation.prepare", folder, weights, data, plan.pictures)
    setup = next(worker, None)
    if setup is None:
        raise ValueError(worker.trouble)
    worker.close()
    return setup


def measure(chosen, setup, folder, plan):
    """All that is `chosen`: name -> series. What fails has `trouble` in place of values."""
    names = [name for name in [*CONTENDERS, *CEILINGS] if name in chosen]
    results = extraction(names, setup, folder, plan)
    for name, function in MEASURES.items():
        if name in chosen:
            try:
                results |= function(setup, folder, plan)
            except ValueError as error:
                results[name] = series("s", [], trouble=str(error))
    return results


def series(unit, values, worker=None, **more):
    """One line of the results. Takes what `worker` has to tell, and ends it."""
    if worker:
        more |= {"trouble": worker.trouble, "peak_memory": worker.peak_memory}
        worker.close()
    return {"unit": unit, "values": values, **more}


def interleave(workers, rounds):
    """The values of `workers`, name -> Worker, who take turns: name -> a value for each round."""
    values = {name: [] for name in workers}
    for number in range(rounds):
        # There and back again: nobody always works on what the same neighbour left behind.
        for name, worker in list(workers.items())[:: -1 if number % 2 else 1]:
            if worker.trouble:
                continue
            time.sleep(0.3)  # threads that look busily for more work give up
            values[name].append(next(worker, None))
            result = worker.trouble or _short(values[name][-1])
            notice(f"Round {number + 1} of {rounds}: {name}: {result}")
    return values


def _short(values):
    return np.array2string(np.asarray(values), precision=3)


def extraction(names, setup, folder, plan):
    """Pictures/s to fc7 of each contender; GFLOP/s of the matrix product in either precision."""

    def begin(name, batch):
        place, weights = "measures.extraction", setup["weights"]
        worker = Worker(place, name, weights, folder, batch, plan.seconds)
        return worker, next(worker, None)

    workers, facts = {}, {}
    for name in names:
        if name in CEILINGS:
            precision = name.removeprefix("ceiling-")
            workers[name] = Worker("measures.ceiling", precision, plan.sizes, plan.seconds)
            facts[name] = {"unit": "GFLOP/s"}
        else:
            batches = [plan.lab_pictures] if name.startswith("lab") else plan.batches
            batch = _fastest(name, batches, begin)
            workers[name], error = begin(name, batch)
            facts[name] = {"unit": "pictures/s", "batch": batch, "error": error}
            notice(f"{name}: {workers[name].trouble or f'fc7 within {error:.1e} of alexnet.py'}")
    for name, values in interleave(workers, plan.rounds).items():
        facts[name]["values"] = values
    return {name: series(worker=workers[name], **facts[name]) for name in names}


def _fastest(name, batches, begin):
    """The best of `batches` for a contender, each tried in a process of its own."""
    rates = dict.fromkeys(batches, 0.0)
    for batch in batches if len(batches) > 1 else []:
        worker, _ = begin(name, batch)
        rates[batch] = next(worker, 0.0)
        notice(f"{name}: batches of {batch}: {worker.trouble or _short(rates[batch])}")
        worker.close()
    return max(rates, key=rates.get)


def training(setup, folder, plan):
    """Seconds of the whole lab, from the command on; of the course's, extrapolated."""
    course = Worker("measures.course_training", setup["weights"], folder, plan.course_batches)
    limits = "--epochs", str(plan.epochs), "--patience", str(plan.epochs)
    unseen = round(VALIDATION * setup["pictures"])
    seconds, memory, theirs = [], [], []
    for number in range(plan.long_rounds):
        took, peak = commands.train(setup, *limits)
        seconds.append(took)
        memory.append(peak)
        for train, validate in filter(None, [next(course, None)]):
            epoch = train * (setup["pictures"] - unseen) + validate * unseen
            theirs.append(plan.epochs * epoch)
        notice(f"Round {number + 1}: the lab {took:.1f} s, the course's {_short(theirs[-1:])} s")
    note = f"extrapolated from {plan.course_batches} batches of training and of validation a round"
    return {
        "training": series("s", seconds, peak_memory=max(memory)),
        "course-training": series("s", theirs, course, note=note),
    }


def start(setup, folder, plan):
    """Seconds until a script helps, step 1 has its result, step 4 an epoch on kept features."""
    helped = {f"help {script}": [] for script in commands.scripts()}
    first_result, second_run = [], []
    once = "--epochs", "1"
    commands.train(setup, *once, cache=folder / "cache")
    for number in range(plan.long_rounds):
        for name, values in helped.items():
            values.append(commands.help_seconds(name.removeprefix("help ")))
        first_result.append(commands.first_result(setup))
        took, _ = commands.train(setup, *once, until="Epoch 1", cache=folder / "cache")
        second_run.append(took)
        notice(
            f"Round {number + 1}: first result {first_result[-1]:.2f} s, second run {took:.1f} s"
        )
    everything = {**helped, "first result": first_result, "second run": second_run}
    return {name: series("s", values) for name, values in everything.items()}


def head(setup, folder, plan):
    """Seconds of an epoch of training the head."""
    return _alone("head epoch", Worker("measures.head_epoch", plan.head_rows), plan)


def scaling(setup, folder, plan):
    """Seconds for ever more pictures: each value is a list."""
    counts = sorted({min(count, setup["pictures"]) for count in plan.counts})
    worker = Worker("measures.scaling", setup["weights"], folder, counts)
    return _alone("scaling", worker, plan, pictures=counts)


def _alone(name, worker, plan, **more):
    values = interleave({name: worker}, plan.long_rounds)[name]
    return {name: series("s", values, worker, **more)}


MEASURES = {"training": training, "start": start, "head": head, "scaling": scaling}
