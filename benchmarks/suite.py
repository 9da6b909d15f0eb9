"""Who is measured, in which order, how often. Results are series: name -> values with a unit."""

from dataclasses import dataclass
from functools import partial

from benchmarks import commands, measures
from benchmarks.contenders import CODES, CONTENDERS, PARTS, STEPS, WAYS
from benchmarks.processes import Measurement, take_turns
from lab.console import notice

CEILINGS = ["ceiling-float32", "ceiling-bfloat16"]
FOLDERS = {"500x375": (500, 375), "4000x3000": (4000, 3000)}


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
    head_rows: int = 26_000
    step: int = 128  # pictures in a step of fine-tuning
    flowers: int = 32  # that VGG16 gets at once
    jpegs: tuple = (2000, 500)  # in each of FOLDERS


QUICK = Plan(
    rounds=2, long_rounds=1, seconds=0.1, batches=(8,), lab_pictures=16, sizes=(256,),
    pictures=260, epochs=1, head_rows=512, step=8, flowers=4, jpegs=(8, 2),
)  # fmt: skip


def prepare(chosen, folder, weights, data, plan):
    """What all measurements need, see `preparation.prepare`. ValueError when it fails."""
    counts = zip(FOLDERS.items(), plan.jpegs, strict=True)
    folders = {name: (size, count) for (name, size), count in counts if name in chosen}
    preparation = Measurement("", _prepare)
    setup = preparation.ask(_prepare, folder, weights, data, plan.pictures, folders)
    trouble = preparation.finish()["trouble"]
    if trouble:
        raise ValueError(trouble)
    return setup


def _prepare(*arguments):
    from benchmarks import preparation  # brings TensorFlow, which this process can do without

    return preparation.prepare(*arguments)


def measure(chosen, setup, folder, plan):
    """All that is `chosen`: name -> series. What fails has `trouble` in place of values."""
    contenders = extraction([name for name in CONTENDERS if name in chosen], setup, folder, plan)
    ceilings = {name: ceiling(name, plan) for name in CEILINGS if name in chosen}
    results = take_turns(contenders | ceilings, plan.rounds)
    for name, begin in MEASURES.items():
        if name in chosen:
            results |= take_turns(begin(setup, folder, plan), plan.long_rounds)
    return results


def extraction(names, setup, folder, plan):
    """Pictures/s to fc7 of each contender, at the number of pictures it is fastest with."""
    measurements = {}
    for name in names:
        batches = [plan.lab_pictures] if name.startswith("lab") else plan.batches
        batch = _fastest(name, batches, setup, folder, plan)
        one = _contender(name, batch, setup, folder, plan)
        error = one.ask(measures.error, *one.arguments[:-1])
        one.series |= {"batch": batch, "error": error}
        notice(f"{name}: {one.series['trouble'] or f'fc7 within {error:.1e} of alexnet.py'}")
        measurements[name] = one
    return measurements


def _contender(name, batch, setup, folder, plan):
    where = setup["weights"], folder
    return Measurement("pictures/s", measures.rate, name, *where, batch, plan.seconds)


def _fastest(name, batches, setup, folder, plan):
    """The best of `batches` for a contender, each tried in a process of its own."""
    rates = dict.fromkeys(batches, 0.0)
    for batch in batches if len(batches) > 1 else []:
        one = _contender(name, batch, setup, folder, plan)
        notice(f"{name}: batches of {batch}: {one.measure()}")
        rates[batch] = one.finish()["values"][0] or 0.0
    return max(rates, key=rates.get)


def ceiling(name, plan):
    """GFLOP/s of the matrix product."""
    precision = name.removeprefix("ceiling-")
    return Measurement("GFLOP/s", measures.ceiling, precision, plan.sizes, plan.seconds)


def training(setup, folder, plan):
    """Seconds of the whole lab, from the command on; of the course's, extrapolated."""
    course = setup["weights"], folder, setup["pictures"], plan.epochs, plan.seconds
    return {
        "training": Measurement("s", commands.training, setup, plan.epochs),
        "course-training": Measurement("s", measures.course_training, *course, note="extrapolated"),
    }


def start(setup, folder, plan):
    """Seconds until step 1 has its result, and step 4 an epoch on kept features."""
    return {
        "first result": Measurement("s", commands.first_result, setup),
        "second training": Measurement("s", commands.second_training, setup, folder / "kept"),
    }


def head(setup, folder, plan):
    """Seconds of an epoch of training the head."""
    return {"head epoch": Measurement("s", measures.head_epoch, plan.head_rows)}


def fine_tuning(setup, folder, plan):
    """Pictures/s of steps over the whole network; seconds of an epoch over the dense layers."""
    where = setup["weights"], folder, plan.step
    measurements = {
        f"step {name}": Measurement("pictures/s", measures.step_rate, name, *where, plan.seconds)
        for name in STEPS
    }
    dense = setup["weights"], plan.head_rows, plan.step, setup["precision"]
    return measurements | {"dense epoch": Measurement("s", measures.dense_epoch, *dense)}


def codes(setup, folder, plan):
    """Pictures/s to VGG16's codes in each library."""
    measurements = {}
    for name, which in CODES.items():
        count = plan.flowers
        one = Measurement("pictures/s", measures.codes_rate, *which, count, plan.seconds)
        one.series |= {"batch": count, "error": one.ask(measures.codes_error, *which, count)}
        notice(f"{name}: {one.series['trouble'] or 'ready'}")
        measurements[name] = one
    return measurements


def jpegs(name, setup, folder, plan):
    """Pictures/s from the JPEGs of a folder to fc7; of decoding and of the network alone."""
    measurements = {}
    for way in WAYS:
        which = way, setup["weights"], folder / name, setup["precision"]
        one = Measurement("pictures/s", measures.way_rate, *which, note=setup["precision"])
        one.series["error"] = None if way in PARTS else one.ask(measures.way_error, *which)
        notice(f"{name} {way}: {one.series['trouble'] or 'ready'}")
        measurements[f"{name} {way}"] = one
    return measurements


MEASURES = {
    "training": training,
    "start": start,
    "head": head,
    "fine-tuning": fine_tuning,
    "codes": codes,
    **{name: partial(jpegs, name) for name in FOLDERS},
}
