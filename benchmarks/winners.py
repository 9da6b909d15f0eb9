"""What a table of `benchmarks.methods` comes to: winners, expected and found, and a figure."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.plan import BELOW, FINE_TUNING, ON_TOP, SCRATCH
from lab.runs.canvas import BLUE, GREEN, GREY, ORANGE, figure

LOOKS = {
    ON_TOP: {"color": BLUE, "marker": "o"},
    BELOW: {"color": GREEN, "marker": "s"},
    FINE_TUNING: {"color": ORANGE, "marker": "^"},
    SCRATCH: {"color": GREY, "marker": "x"},
}
BAR = "point: mean of the seeds; bar: 95 % over whole test tracks, mean of the seeds; dots: seeds"


def summary(table, task):
    """Of a task by method, best first: means over the seeds, and `layers`; DataFrame."""
    rows = table[
        (table[["source", "target", "tracks"]] == [task.source, task.target, task.amount]).all(
            axis=1
        )
    ]
    methods = rows.groupby("method")
    means = methods[["pictures", "accuracy", "low", "high", "minutes"]].mean()
    means["layers"] = methods["layer"].agg(lambda layers: ", ".join(sorted(set(layers))))
    return means.sort_values("accuracy", ascending=False, kind="stable")


def found(means):
    """The best method, and those whose accuracy lies within its interval."""
    return means.index[means["accuracy"] >= means["low"].iloc[0]].tolist()


def lines(table, tasks):
    """The table as text: a line for each method, and below them the winners."""
    for task in tasks:
        means = summary(table, task)
        yield str(task)
        for method, row in means.iterrows():
            interval = f"{row['low']:.3f} to {row['high']:.3f}"
            yield (
                f"  {method:13} {row['accuracy']:.3f}  ({interval})  "
                f"{row['minutes']:6.2f} minutes  {row['layers']}"
            )
        yield f"  expected: {task.expected}; found: {', level with it '.join(found(means))}"
        yield ""


def draw(table, tasks, path):
    """A row of panels for each source and target: accuracy against pictures, against minutes."""
    rows = list(dict.fromkeys((task.source, task.target) for task in tasks))
    title = "Which method when: accuracy on tracks never seen"
    with figure(path, 3.1 * len(rows), title) as drawn:
        parts = drawn.subfigures(len(rows), 1, squeeze=False)[:, 0]
        for part, pair in zip(parts, rows, strict=True):
            own = [task for task in tasks if (task.source, task.target) == pair]
            _panels(part, table, own)
        handles, labels = parts[0].axes[0].get_legend_handles_labels()
        drawn.legend(
            handles, labels, loc="outside lower center", ncols=4, fontsize=9, title=BAR,
            title_fontsize=8,
        )  # fmt: skip
    return drawn


def _panels(part, table, tasks):
    """Both panels of one source and target, under what was expected and what was found."""
    source, target = tasks[0].source, tasks[0].target
    means = {task: summary(table, task) for task in tasks}
    said = [f"{source} → {target}", *(_verdict(task, means[task]) for task in tasks)]
    part.suptitle("\n".join(said), x=0.02, ha="left", fontsize=9)
    panels = part.subplots(1, 2, sharey=True)
    for axes, what in zip(panels, ("pictures", "minutes"), strict=True):
        for number, (method, look) in enumerate(LOOKS.items()):
            _curve(axes, table, means, method, what, 1 + 0.06 * (number - 1.5), look)
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(what + (" to learn from" if what == "pictures" else " of training"))
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=0.3)
    panels[0].set_xticks([one["pictures"].iloc[0] for one in means.values()])
    panels[0].xaxis.set_major_formatter(FuncFormatter(lambda x, place: f"{x:,.0f}"))
    panels[1].xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    panels[1].xaxis.set_major_formatter(FuncFormatter(lambda x, place: f"{x:g}"))
    panels[0].set_ylabel("accuracy")


def _curve(axes, table, means, method, what, aside, look):
    """A method from little to much; a little to the side where others have the same place."""
    points = [one.loc[method] for one in means.values() if method in one.index]
    if not points:
        return
    aside = aside if what == "pictures" else 1
    x, y = np.array([[point[what] * aside, point["accuracy"]] for point in points]).T
    ends = np.abs(y - [[point[side] for point in points] for side in ("low", "high")])
    axes.errorbar(x, y, ends, label=method, lw=1.2, ms=5, elinewidth=1, **look)
    for task in means:
        key = [task.source, task.target, task.amount, method]
        own = table[(table[["source", "target", "tracks", "method"]] == key).all(axis=1)]
        axes.plot(own[what] * aside, own["accuracy"], ".", ms=3, color=look["color"], alpha=0.6)


def _verdict(task, means):
    amount = "all tracks" if task.tracks is None else f"{task.tracks} tracks a class"
    return f"{amount}: expected {task.expected}, found {' = '.join(found(means))}"
