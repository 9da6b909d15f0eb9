"""Which method when: four ways to use a pretrained network, on little and much, near and far.

    python -m benchmarks.methods                   everything, about 80 minutes
    python -m benchmarks.methods --seeds 1         a third of it, and no idea of chance
    python -m benchmarks.methods --out mine.csv    the table there, the figure beside it
    python -m benchmarks.methods --demo            three minutes, no file: does it run?

Every row is written when it is measured, and one that is there is not measured again: stop it when
you like, and start it again with the same command. README.md, beside this, says how to read it.
"""

import functools
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pandas as pd

from benchmarks.plan import METHODS, TASKS, Plan
from benchmarks.processes import PROCESSES, begin
from lab import inputs
from lab.command_line import parser, user_errors, whole_number
from lab.console import notice, say
from lab.files import replace
from lab.locks import clear, locked
from lab.networks import ALEXNET

KEY = ["source", "target", "tracks", "method", "seed"]
COLUMNS = [
    *KEY, "pictures", "classes", "layer", "accuracy", "low", "high", "minutes", "setup",
]  # fmt: skip


def planned(args):
    """The Plan that the arguments ask for; FileNotFoundError for a file that is not there."""
    if args.out.suffix != ".csv":
        raise ValueError(f"{args.out}: expected a name that ends in .csv for the table")
    weights = inputs.weights_file(ALEXNET, args.weights, args.demo)
    data = inputs.data_file(args.data, inputs.DATA, args.demo)
    if not args.demo:
        return Plan(weights, data, args.epochs or 4, 512, (*TASKS,), args.seeds or 3)
    notice("DEMO: random weights and drawn signs stand in for what you do not name.")
    return Plan(weights, data, args.epochs or 1, 128, (*TASKS[:4],), args.seeds or 1)


def measure(plan, out, pool):
    """The table with all rows of the plan; those that `out` has not yet are measured."""
    setup = ask(pool, "digest", plan)
    home = out.with_suffix("")
    with locked(home, "measuring for the same table"):
        work = home / setup
        work.mkdir(exist_ok=True)
        table = read(out, setup)
        left = [one for one in plan.rows() if not has(table, key(*one))]
        for number, (task, method, seed) in enumerate(left, 1):
            notice(f"{number} of {len(left)}: {task}, {method}, seed {seed}")
            found = ask(pool, "row", task, method, plan, seed, work)
            row = [*key(task, method, seed), *found.values(), setup]
            table = with_row(table, row)
            replace(out, functools.partial(table.to_csv, index=False))
            notice(f"  accuracy {found['accuracy']:.3f}, {60 * found['minutes']:.0f} seconds")
        clear(home)
    return table


def key(task, method, seed):
    """What names a row: its first columns, KEY."""
    return [task.source, task.target, task.amount, method, seed]


def with_row(table, row):
    return pd.DataFrame([*table.to_numpy(object), row], columns=COLUMNS).infer_objects()


def ask(pool, function, *arguments):
    """What a function of `benchmarks.transfer` returns in the other process."""
    try:
        return pool.submit(_transfer, function, arguments).result()
    except BrokenProcessPool as error:
        raise ValueError(
            "the training process was killed, perhaps for want of memory; the same command goes on"
        ) from error


def _transfer(function, arguments):
    from lab import device  # brings TensorFlow, which the first process can do without

    device.prepare()
    from benchmarks import transfer

    return getattr(transfer, function)(*arguments)


def read(out, setup):
    """The rows of the table so far. ValueError if it is another, or of another `setup`."""
    if not out.exists():
        return pd.DataFrame(columns=COLUMNS)
    table = pd.read_csv(out, dtype={"tracks": str})
    if [*table.columns] != COLUMNS:
        raise ValueError(f"{out}: expected a table of benchmarks.methods; name another --out")
    others = set(table["setup"]) - {setup}
    if others:
        raise ValueError(
            f"{out}: its rows are of other weights, pictures or epochs ({others.pop()}, now "
            f"{setup}); name another --out"
        )
    return table


def has(table, key):
    """Whether the row with this key is there."""
    return (table[KEY] == key).all(axis=1).any()


def command_line():
    options = parser(__doc__, "--weights", "--data", "--demo")
    options.add_argument("--epochs", type=whole_number, metavar="N", help="of a training (4)")
    options.add_argument("--seeds", type=whole_number, metavar="N", help="repetitions (3)")
    options.add_argument(
        "--out", type=Path, metavar="CSV", help="the table (default: runs/methods.csv)"
    )
    return options


def main(argv=None):
    args = command_line().parse_args(argv)
    args.out = out = args.out or Path("runs", "methods-demo.csv" if args.demo else "methods.csv")
    # What TensorFlow keeps of a training goes with its process only.
    pool = ProcessPoolExecutor(1, PROCESSES, begin, max_tasks_per_child=len(METHODS))
    stopped = "interrupted; the same command goes on"
    with user_errors(stopped), pool:
        plan = planned(args)
        out.parent.mkdir(parents=True, exist_ok=True)
        table = measure(plan, out, pool)

        from benchmarks import winners

        for line in winners.lines(table, plan.tasks):
            say(line)
        winners.draw(table, plan.tasks, out.with_suffix(".png"))
        say(f"Figure: {out.with_suffix('.png')}")


if __name__ == "__main__":
    sys.exit(main())
