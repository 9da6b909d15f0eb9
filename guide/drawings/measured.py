"""Which method when: the table that `python -m benchmarks.methods` wrote, with its source in it."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import winners
from benchmarks.plan import TASKS
from guide.drawings.canvas import EDGE, GREY, NORMAL, WIDTH, card

# Measured with the weights and pictures that benchmarks/README.md names.
TABLE = Path(__file__).parent.parent / "figures" / "methods.csv"
STEP = 214  # units from panel to panel


def methods(path):
    """A panel for each source and target: what each method reaches with ever more pictures."""
    table = pd.read_csv(TABLE, dtype={"tracks": str})
    means = {task: winners.summary(table, task) for task in TASKS}
    pairs = {}
    for task in TASKS:
        if len(means[task]):
            pairs.setdefault(f"{task.source} → {task.target}", []).append(task)
    title = "Which method when? Accuracy on signs and digits never seen"
    with card(path, 118 + STEP * len(pairs), title) as page:
        y = page.top + 12
        for name, tasks in pairs.items():
            page.text(EDGE, y, name, size=NORMAL, weight="bold")
            page.text(WIDTH - EDGE, y, "tracks of each class", ha="right", color=GREY)
            panel = page.panel(62, y + 14, WIDTH - EDGE - 62, 138)
            _panel(panel, [means[task] for task in tasks])
            words = " pictures" if len(tasks) < 3 else ""
            pictures = [f"{means[task]['pictures'].iloc[0]:,.0f}{words}" for task in tasks]
            amounts = [f"{task.amount}\n{n}" for task, n in zip(tasks, pictures, strict=True)]
            panel.set_xticks(range(len(tasks)), amounts)
            y += STEP
        _legend(page, y, table["seed"].nunique())


def _panel(panel, means):
    """Means of the seeds and their 95 % intervals, the methods side by side."""
    for number, (method, look) in enumerate(winners.LOOKS.items()):
        there = [place for place, one in enumerate(means) if method in one.index]
        rows = pd.DataFrame([means[place].loc[method] for place in there])
        if not there:
            continue
        ends = [rows["accuracy"] - rows["low"], rows["high"] - rows["accuracy"]]
        places = np.array(there) + 0.16 * (number - 1.5)
        panel.errorbar(places, rows["accuracy"], ends, ls="", ms=5, elinewidth=1.6, **look)
    panel.set(xlim=(-0.5, len(means) - 0.5), ylim=(0, 1.02), yticks=[0, 0.5, 1])
    panel.grid(axis="y", alpha=0.3)
    for place in range(1, len(means)):
        panel.axvline(place - 0.5, color=GREY, lw=0.6, ls=":")


def _legend(page, y, seeds):
    for number, (method, look) in enumerate(winners.LOOKS.items()):
        x, row = EDGE + 6 + 150 * (number % 2), y + 24 * (number // 2)
        page.line([x], [row], look["color"], 0, marker=look["marker"], ms=7)
        page.text(x + 14, row, method)
    words = f"95%, {seeds} {'seeds' if seeds > 1 else 'seed'}"
    page.text(WIDTH - EDGE, y + 24, words, ha="right", color=GREY)
