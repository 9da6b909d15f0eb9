"""All of it: sources become a plan, the plan becomes shards, and what was broken a list."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import PurePath

from deploy.embed import plan, reading, sources
from deploy.embed.bar import Bar
from deploy.embed.folder import Folder
from deploy.embed.model import Asked
from lab import inputs, networks
from lab.console import notice
from lab.runs import asked as runs

BROKEN = "broken.csv"


def done(args):
    """Do what the command line asks for, or what is left of it; lines that say what there is now.

    Raises OSError or ValueError, one line.
    """
    folder = Folder(args.out)
    _check_ours(folder)
    files = sources.listed(args.sources, leave_out=folder.url)
    reading.check(files, args.column)
    asked = _asked(args)
    with folder.held():
        model = asked.loaded()
        table = _agreed(args, folder, files, model)
        _compute(args, asked, model, folder, table)
        return [*_told(args, folder, len(plan.sizes(table)))]


def _check_ours(folder):
    """ValueError when a folder holds other files and no plan."""
    usual = {"lock", "lost+found", PurePath(folder.path).name}  # the last of a file, or a marker
    names = {name for name in folder.names() if name not in usual and not name.startswith(".")}
    if names and plan.FILE not in names:
        raise ValueError(
            f"{folder}: expected a new folder, or one that this command began, found "
            f"{min(names)}: name another --out"
        )


def _asked(args):
    """What is to be loaded, by names that hold elsewhere and later, as `latest` does not."""
    names = "what", "dtype", "run", "network", "layer", "precision", "demo", "column"
    chosen = {name: getattr(args, name) for name in names}
    if args.run:
        folder, _, weights = runs.run(args.run, args.weights, demo=args.demo)
        chosen["run"] = str(folder.resolve())
    else:
        weights = inputs.weights_file(networks.named(args.network), args.weights, args.demo)
    return Asked(weights=weights and str(weights.resolve()), **chosen)


def _agreed(args, folder, files, model):
    """The plan for these files, as it is or was written in the folder."""
    table = plan.made(files, args.shard)
    facts = {f"--{name}": getattr(args, name) for name in ("what", "dtype", "column", "shard")}
    plan.agree(folder, table, {"run or network": model.digest} | facts)
    return table


def _compute(args, asked, model, folder, table):
    """Write the shards that are not there."""
    sizes, there = plan.sizes(table), folder.names(args.what)
    numbers = [number for number in range(len(sizes)) if plan.file_of(number) not in there]
    if not numbers:
        return
    total, left = int(sizes.sum()), int(sizes[numbers].sum())
    if there:
        notice(f"Going on: {len(numbers):,} of {len(sizes):,} shards are left")
    steps = _steps(args, numbers, asked, model, folder, table)
    with Bar(args.what, total, total - left) as bar, closing(steps):
        for pictures, size in steps:
            bar.advance(pictures, size)
    if bar.pictures:
        notice(f"{bar.speed()}, start-up apart")


def _steps(args, numbers, asked, model, folder, table):
    """Write shards; yields how many pictures were seen, and of how many bytes."""
    if args.engine == "ray":
        from deploy.embed import by_ray

        shares = args.workers, args.cpus, args.gpus
        return by_ray.embed(numbers, asked, model.digest, folder, *shares)
    from deploy.embed import shards  # TensorFlow

    return shards.embed(numbers, table, model, folder, asked.column)


def _told(args, folder, count):
    """Lines about all shards, once the pictures that were broken in any of them are listed."""
    with ThreadPoolExecutor(32) as pool:  # object storage takes its time for each
        outcomes = [*pool.map(partial(plan.outcome, folder, args.what), range(count))]
    pictures = sum(rows for rows, _ in outcomes)
    broken = [row for _, rows in outcomes for row in rows]
    if broken:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("path", "member", "reason"), *broken])
        with folder.writing(BROKEN) as path:
            path.write_text(text.getvalue(), encoding="utf-8")
    if broken and not pictures:
        raise ValueError(f"expected pictures, found none that can be read: see {folder}/{BROKEN}")
    yield f"{pictures:,} pictures: {folder}/{args.what}"
    if broken:
        yield f"{len(broken):,} broken: {folder}/{BROKEN}"
