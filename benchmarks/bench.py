"""How fast this lab is, measured beside the course's way and other libraries, in one run.

    python -m benchmarks.bench                                   everything, about half an hour
    python -m benchmarks.bench --quick                           does it run? figures say nothing
    python -m benchmarks.bench --only lab-float32 course head    these alone
    python -m benchmarks.bench --json bench.json                 keep all figures

Contenders take turns, round by round, so that whatever else the machine does hits all alike; the
table shows medians, and the lowest and highest round. README.md, beside this, says how to read it.
"""

import json
import os
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks import report, suite
from benchmarks.contenders import CONTENDERS
from lab import inputs
from lab.command_line import new_file, parser, user_errors, whole_number
from lab.console import notice
from lab.networks import ALEXNET


def command_line():
    options = parser(__doc__, "--weights", "--data")
    names = [*CONTENDERS, *suite.CEILINGS, *suite.MEASURES]
    options.add_argument("--quick", action="store_true", help="tiny sizes: only to see it run")
    options.add_argument(
        "--only", nargs="+", choices=names, metavar="NAME", default=names,
        help=f"leave the others out; names: {', '.join(names)}",
    )  # fmt: skip
    options.add_argument("--rounds", type=whole_number, metavar="N", help="instead of 7")
    options.add_argument("--json", type=new_file, metavar="OUT", help="write all figures there")
    return options


def file_of(option, path, usual):
    """The file that was named, or the usual one: where that is not, something stands in for it."""
    return inputs.found(path, f"say where it is with {option}") if path else Path(usual)


def main(argv=None):
    args = command_line().parse_args(argv)
    plan = suite.QUICK if args.quick else suite.Plan()
    if args.rounds:
        plan = replace(plan, rounds=args.rounds, long_rounds=min(args.rounds, plan.long_rounds))
    os.environ |= {"TQDM_DISABLE": "1", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    with user_errors(), tempfile.TemporaryDirectory() as folder:
        os.environ["ALEXNET_LAB_CACHE"] = str(Path(folder) / "cache")  # nothing kept before counts
        weights = file_of("--weights", args.weights, ALEXNET.file)
        data = file_of("--data", args.data, inputs.DATA)
        setup = suite.prepare(args.only, Path(folder), weights, data, plan)
        series = suite.measure(args.only, setup, Path(folder), plan)
        results = {"quick": args.quick, "plan": asdict(plan), "setup": setup, "series": series}
        results["bars"] = report.bars(results)
        print(report.table(results))
        if args.json:
            args.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
            notice(f"All figures: {args.json}")


if __name__ == "__main__":
    main()
