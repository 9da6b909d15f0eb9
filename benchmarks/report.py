"""What the measurements come to: bars met or missed, a table, a plot."""

import textwrap
from statistics import median

import numpy as np

GOAL = {"≥": np.greater_equal, "≤": np.less_equal}


def bars(results):
    """What was set out to reach: dicts with what, value (None if not measured), goal and met."""
    found = []
    for what, measure, sign, goal in BARS:
        value = measure(results)
        judged = value is not None and not results["quick"]
        met = bool(GOAL[sign](value, goal)) if judged else None
        found.append({"what": what, "value": value, "goal": f"{sign} {goal}", "met": met})
    return found


def ratio(name, other):
    """A function of the results: the quotient in each round, of neighbours in time; its median."""

    def measure(results):
        rounds = zip(values(results, name), values(results, other), strict=False)
        quotients = [a / b for a, b in rounds if a and b]
        return median(quotients) if quotients else None

    return measure


def share(name, ceiling):
    """A function of the results: which part of the ceiling's GFLOP/s a contender reaches."""

    def measure(results):
        pictures = ratio(name, ceiling)(results)
        return pictures and pictures * giga_operations(results, name)

    return measure


def slowest(prefix):
    """A function of the results: the largest median of those that begin with `prefix`."""

    def measure(results):
        names = [name for name in results["series"] if name.startswith(prefix)]
        medians = [median(values(results, name)) for name in names if values(results, name)]
        return max(medians) if medians else None

    return measure


def peak_memory(results):
    """Of the whole lab, in GB; None when not measured."""
    memory = results["series"].get("training", {}).get("peak_memory")
    return memory and memory / 1e9


def growth(results):
    """By how much the dearest further picture exceeds the cheapest; None when not measured."""
    if not any(values(results, "scaling")):
        return None
    _, costs = cost(results["series"]["scaling"])
    return float(max(costs) / min(costs) - 1) if min(costs) > 0 else None


BARS = [
    ("bfloat16, times the course's graph", ratio("lab-bfloat16", "course"), "≥", 4.5),
    ("bfloat16, times OpenVINO", ratio("lab-bfloat16", "openvino-bfloat16"), "≥", 1.1),
    ("float32, times the course's graph", ratio("lab-float32", "course"), "≥", 1.35),
    ("float32, times OpenVINO", ratio("lab-float32", "openvino-float32"), "≥", 1.05),
    ("bfloat16, share of the ceiling", share("lab-bfloat16", "ceiling-bfloat16"), "≥", 0.6),
    ("float32, share of the ceiling", share("lab-float32", "ceiling-float32"), "≥", 0.9),
    ("whole lab, times faster than the course", ratio("course-training", "training"), "≥", 30),
    ("whole lab, peak memory in GB", peak_memory, "≤", 3),
    ("first result of step 1, s", slowest("first result"), "≤", 2),
    ("second run to its first epoch, s", slowest("second run"), "≤", 10),
    ("slowest --help, s", slowest("help "), "≤", 0.5),
    ("epoch of the head, s", slowest("head epoch"), "≤", 0.5),
    ("scaling: growth of the cost of a picture", growth, "≤", 0.1),
]


def values(results, name):
    """Those of a series, a round each; none when it was not measured."""
    return results["series"].get(name, {}).get("values") or []


def giga_operations(results, name):
    """Billions of additions and multiplications of one picture on its way to fc7."""
    padding = "SAME" if name == "course" else "VALID"
    return 2 * results["setup"]["multiply_adds"][padding] / 1e9


def cost(scaling):
    """Pictures, and milliseconds for each further picture: between one count and the next."""
    pictures = np.array(scaling["pictures"])
    seconds = np.median([value for value in scaling["values"] if value], axis=0)
    return pictures, 1e3 * np.diff(seconds) / np.diff(pictures)


def table(results):
    """All results as text."""
    parts = [_head(results), _lines(results), _scaling(results), _bars(results["bars"])]
    return "\n\n".join(part for part in parts if part)


def _head(results):
    setup, machine = results["setup"], results["setup"]["machine"]
    lines = [f"{machine['device']}, {machine['cores']} cores, {machine['processor']}"]
    lines.append(", ".join(f"{name} {v or '-'}" for name, v in setup["versions"].items()))
    if results["quick"]:
        lines.append("QUICK: tiny sizes, to see that everything runs. The figures mean nothing.")
    for what, stand_in in (("weights", "random weights"), ("data", "drawn signs")):
        if not setup["real"][what]:
            lines.append(f"The file of the {what} is not there: {stand_in} stand in for it.")
    return "\n".join(lines)


def _lines(results):
    header = f"{'':30}{'median':>10}{'lowest':>10}{'highest':>10}  {'unit':11}{'GB':>5}  remarks"
    lines = [header]
    for name, one in results["series"].items():
        if name == "scaling" and one["values"]:
            continue
        values = [value for value in one["values"] if value is not None]
        figures = (median(values), min(values), max(values)) if values else ()
        text = "".join(f" {figure:9.4g}" for figure in figures) or f"{'-':>10}" * 3
        memory = f"{one['peak_memory'] / 1e9:5.1f}" if one.get("peak_memory") else " " * 5
        lines.append(f"{name:30}{text}  {one['unit']:11}{memory}  {_remarks(results, name, one)}")
    return "\n".join(lines) if len(lines) > 1 else ""


def _remarks(results, name, one):
    remarks = [one.get("trouble"), one.get("note")]
    if one.get("batch"):
        remarks.append(f"{one['batch']} at once")
    if one.get("error") is not None:
        remarks.append(f"fc7 within {one['error']:.1e}")
        speed = median(filter(None, one["values"])) * giga_operations(results, name)
        remarks.append(f"{speed:.0f} GFLOP/s")
    return ", ".join(filter(None, remarks))


def _scaling(results):
    one = results["series"].get("scaling")
    if not one or not any(one["values"]):
        return ""
    seconds = np.median([value for value in one["values"] if value], axis=0)
    lines = ["Pictures    seconds   ms a picture   ms a further picture"]
    for count, total, further in zip(one["pictures"], seconds, [None, *cost(one)[1]], strict=True):
        more = "" if further is None else f"{further:.3f}"
        lines.append(f"{count:8,}{total:11.2f}{1e3 * total / count:15.3f}{more:>23}")
    return "\n".join(lines)


def _bars(found):
    words = {True: "met", False: "MISSED", None: "not judged"}
    lines = [f"{'Bars':44}{'found':>8}  {'goal':8}"]
    for bar in found:
        value = "-" if bar["value"] is None else f"{bar['value']:.3g}"
        lines.append(f"{bar['what']:44}{value:>8}  {bar['goal']:8}{words[bar['met']]}")
    return "\n".join(lines)


BLUE, GREY, ORANGE = "#0072B2", "#999999", "#D55E00"  # apart for colour-blind eyes too


def plot(results, path):
    """Draw what was measured of: pictures/s, seconds of the whole lab, cost of a picture."""
    from matplotlib.figure import Figure

    found = results["series"]
    measured = {name for name, one in found.items() if any(one["values"])}
    rates = [name for name in found if found[name]["unit"] == "pictures/s" and name in measured]
    labs = [name for name in ("training", "course-training") if name in measured]
    panels = [len(rates)] * bool(rates) + [len(labs)] * bool(labs) + [5] * ("scaling" in measured)
    figure = Figure(figsize=(9, 1.4 * len(panels) + 0.35 * sum(panels)), layout="constrained")
    axes = iter(np.ravel(figure.subplots(len(panels), 1, height_ratios=panels)) if panels else [])
    if rates:
        _draw(next(axes), found, rates, "Pictures per second, from 32x32 pixels to fc7")
    if labs:
        title = f"Seconds of the whole lab, {results['plan']['epochs']} epochs"
        _draw(next(axes), found, labs, title + "; the course's way extrapolated")
    if "scaling" in measured:
        _draw_scaling(next(axes), found["scaling"])
    machine = results["setup"]["machine"]
    title = f"{machine['device']}, {machine['cores']} cores, {machine['processor']}"
    quick = "\nQUICK: the figures mean nothing" if results["quick"] else ""
    figure.suptitle(textwrap.fill(title, 100) + quick, x=0.01, ha="left", fontsize=9)
    figure.savefig(path, dpi=120)


def _draw(axes, found, names, title):
    """A bar for the median of each, a line from its lowest round to its highest."""
    for place, name in enumerate(names[::-1]):
        values = [value for value in found[name]["values"] if value]
        colour = BLUE if name.startswith(("lab", "training")) else GREY
        axes.barh(place, median(values), color=ORANGE if name.startswith("course") else colour)
        axes.plot([min(values), max(values)], [place, place], color="black", linewidth=1.5)
        axes.annotate(f" {median(values):,.0f}", (max(values), place), va="center")
    axes.set_yticks(range(len(names)), names[::-1])
    axes.margins(x=0.12)
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_scaling(axes, scaling):
    pictures, costs = cost(scaling)
    axes.plot(pictures[1:], costs, "o-", color=BLUE)
    axes.fill_between(pictures[1:], min(costs), 1.1 * min(costs), color=GREY, alpha=0.3)
    axes.set(ylim=(0, 1.25 * max(costs)), xlim=(0, None), xlabel="pictures", ylabel="ms")
    axes.set_title("Cost of a further picture; grey: within 10 %", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
