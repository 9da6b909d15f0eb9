"""`report.html`: what a run came to, in one page that needs no network and runs no script.

Figures and words come from `run.json` and, where they are, `evaluation.json` and `evaluation.csv`;
pictures are the PNG files of the run folder. Everything read is escaped.
"""

import base64
import json
from html import escape
from pathlib import Path
from string import Template

from lab.files import replace_text
from lab.runs import record as records

# File name -> heading, and what to look for. Other PNG files come after these.
PLOTS = {
    "learning_curves": (
        "Learning curves",
        "While both curves improve it is learning; where validation stands still and training goes "
        "on, it only remembers.",
    ),
    "confusion": (
        "Confusion",
        "A good classifier is a blue diagonal; dark orange cells are classes it takes for others.",
    ),
    "mistakes": (
        "Worst mistakes",
        "What it was surest of and wrong about: bad pictures, wrong labels, or classes too alike?",
    ),
    "reliability": (
        "Reliability",
        "Bars on the dashed line: it is right as often as it says. Below it: trust it less than it "
        "trusts itself.",
    ),
    "class_balance": (
        "Class balance",
        "Classes with short bars are learned from few pictures, and judged by few.",
    ),
}
SPLITS = {
    "track": "none of them of a sign it was trained on: all pictures of one sign, or copies of one "
    "picture, are on one side of the split.",
    "random": "by a random split, which flatters: frames of one filmed sign, or copies of one "
    "picture, are on both sides. On new ones expect less; --split track measures it.",
}
FIGURES = {
    "accuracy": "accuracy",
    "interval": "95% interval",
    "top5": "right among the first 5",
    "macro_f1": "F1, mean of classes",
    "ece": "calibration error (ECE)",
    "loss": "loss",
    "count": "pictures",
}


def write(folder, record=None):
    """Write `FOLDER/report.html`; the path to it.

    record: what `run.json` will hold; None reads it.
    Raises FileNotFoundError when there is no `run.json`, ValueError when a file is damaged or the
    training has not ended.
    """
    folder = Path(folder)
    record = (record or records.read(folder)).model_dump(mode="json")
    if not record["metrics"]:
        raise ValueError(f"{folder}: its training has not ended, so there is nothing to report")
    evaluation = records.read_evaluation(folder)
    evaluation = evaluation.model_dump(mode="json") if evaluation else {}
    data = Path(record["data"]["path"]).name
    page = PAGE.substitute(
        title=escape(f"{record['network']} on {data}, {len(record['names'])} classes"),
        when=escape(record["started"].replace("T", " ").replace("Z", " UTC")),
        headline=_headline(record, evaluation),
        figures=_figures(record, evaluation),
        plots=_plots(folder),
        classes=_classes(records.read_classes(folder)),
        epochs=_epochs(records.read_history(folder)),
        recipe=_recipe(record),
    )
    path = folder / "report.html"
    replace_text(path, page)
    return path


def _headline(record, evaluation):
    """The accuracy that counts most, and what it means."""
    validation, split = record["metrics"]["validation"]["accuracy"], record["split"]
    meaning = f"of {split['validation']:,} validation pictures are named right, "
    meaning += SPLITS[split["kind"]]
    if not evaluation:
        return _big(validation, meaning)
    low, high = evaluation["interval"]
    tested = f"of the test pictures are named right (95% interval {low:.1%} to {high:.1%})."
    trained_on = evaluation.get("trained_on", {"count": 0})
    if trained_on["count"]:
        tested += f" {trained_on['count']:,} of them were also trained on, which flatters"
        without = trained_on["accuracy_without"]  # None when no others are left
        tested += "." if without is None else f"; of the others {without:.1%} are named right."
    return _big(evaluation["accuracy"], tested) + f"<p>{validation:.1%} {escape(meaning)}</p>"


def _big(accuracy, meaning):
    return f'<p class="big"><strong>{accuracy:.1%}</strong> <span>{escape(meaning)}</span></p>'


def _figures(record, evaluation):
    """A table: a row a figure, a column a set of pictures."""
    split = record["split"]
    sets = {
        "training": {"count": split["train"], **record["metrics"]["train"]},
        "validation": {"count": split["validation"], **record["metrics"]["validation"]},
    }
    if evaluation:
        sets["test"] = evaluation
    head = "".join(f"<th>{name}</th>" for name in sets)
    rows = "".join(
        f"<tr><th>{name}</th>"
        + "".join(f"<td>{_number(figures.get(key))}</td>" for figures in sets.values())
        + "</tr>"
        for key, name in FIGURES.items()
    )
    return f'<table class="figures"><tr><th></th>{head}</tr>{rows}</table>'


def _number(value):
    """Three decimals, thousands marked; nothing for what is unknown."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "–".join(map(_number, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def _plots(folder):
    names = {file.stem for file in folder.glob("*.png")}
    known = [name for plot in PLOTS for name in (f"test_{plot}", plot) if name in names]
    others = sorted(names.difference(known))
    return "".join(_plot(folder / f"{name}.png") for name in known + others)


def _plot(file):
    plot = file.stem.removeprefix("test_")
    heading, caption = PLOTS.get(plot, (plot.replace("_", " "), ""))
    if plot != file.stem:
        heading += ", test set"
    content = base64.b64encode(file.read_bytes()).decode()
    image = f'<img alt="{escape(f"{heading}. {caption}")}" src="data:image/png;base64,{content}">'
    return (
        f"<section><h2>{escape(heading)}</h2><figure><figcaption>{escape(caption)}</figcaption>"
        f"{_wide(image, heading)}</figure></section>"
    )


def _wide(content, name):
    """A box that scrolls sideways where the window is too narrow, also by keyboard."""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(name)}">{content}</div>'
    )


def _table(table):
    return table.to_html(index=False, border=0, float_format="{:.3f}".format, na_rep="")


def _classes(table):
    """The table of `evaluation.csv`, the classes found least often first."""
    if table is None:
        return ""
    rows = _table(table.sort_values("recall", kind="stable"))
    return (
        "<section><h2>Class by class</h2><p>Recall: share of its pictures that are found. "
        "Precision: share of the pictures given its name that are it. Hardest first.</p>"
        f"{_wide(rows, 'Class by class')}</section>"
    )


def _epochs(table):
    if table is None:
        return ""
    rows = _wide(_table(table), "Epochs")
    return f"<details><summary>Epoch by epoch</summary>{rows}</details>"


def _recipe(record):
    """How to repeat the run: its command, and all that its figures may depend on."""
    facts = {
        name: record.get(name)
        for name in ("seed", "preprocess", "precision", "device", "temperature", "best_epoch")
    }
    for group in ("weights", "data", "split", "versions"):
        facts |= {f"{group} {key}": value for key, value in record[group].items()}
    rows = "".join(
        f"<tr><th>{escape(name.replace('_', ' '))}</th><td>{escape(str(value))}</td></tr>"
        for name, value in facts.items()
        if value is not None
    )
    arguments = escape(json.dumps(record["arguments"], indent=2, ensure_ascii=False))
    return (
        f'<pre>{escape(record["command"])}</pre><table class="recipe">{rows}</table>'
        f"<details><summary>All arguments</summary><pre>{arguments}</pre></details>"
    )


PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #595959; --paper: #fff; --line: #ddd;
  --accent: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eee; --soft: #aaa; --paper: #16181b; --line: #3a3d42; --accent: #56b4e9; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .3rem; }
.when, figcaption, section > p { color: var(--soft); }
.big { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem 1.2rem; margin: 1rem 0; }
.big strong { font-size: clamp(3rem, 12vw, 5rem); line-height: 1; color: var(--accent); }
.big span { flex: 1 1 16rem; max-width: 38rem; font-size: 1.1rem; }
.figures { max-width: 40rem; }
.figures td, .figures tr:first-child th { text-align: right; overflow-wrap: normal; }
.figures th { font-weight: normal; color: var(--soft); }
figure { margin: 0; }
figcaption { margin-bottom: .6rem; max-width: 45rem; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
img { display: block; margin: 0 auto; max-width: 100%; height: auto; background: #fff; }
@media (max-width: 40rem) {
  img { max-width: none; }
  figure .wide::before { content: "scroll sideways \\2192"; position: sticky; left: .5rem;
    font-size: .8rem; color: var(--soft); }
  .figures th, .figures td { padding: .3rem .2rem; }
}
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem;
  border-bottom: 1px solid var(--line); }
.wide th, .wide td { white-space: nowrap; }
.recipe th { width: 9rem; font-weight: normal; color: var(--soft); }
summary { margin: 1rem 0; cursor: pointer; }
pre { white-space: pre-wrap; padding: .8rem; border: 1px solid var(--line); border-radius: 6px; }
</style>
</head>
<body>
<header><h1>$title</h1><div class="when">$when</div></header>
<main>
$headline
$figures
$plots
$classes
<section><h2>How to repeat it</h2>$recipe$epochs</section>
</main>
</body>
</html>
""")
