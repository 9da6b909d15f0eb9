"""What the measurements come to: bars met or missed, a table."""

import operator
from statistics import median

GOAL = {"≥": operator.ge, "≤": operator.le}


def bars(results):
    """What a processor of this kind is to reach: dicts with what, value (None if not measured),
    goal and met. None are set for kinds that are not in KINDS.
    """
    kind, found = results["setup"]["machine"]["kind"], []
    for what, sign, *goals, measure in BARS:
        goal = dict(zip(KINDS, goals, strict=True)).get(kind)
        if goal is not None:
            value = measure(results)
            judged = value is not None and not results["quick"]
            met = GOAL[sign](value, goal) if judged else None
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


def step_share(name, ceiling):
    """The same of steps: forwards, and backwards to the weights and to what came in."""
    part = share(name, ceiling)

    def measure(results):
        forwards = part(results)
        return forwards and 3 * forwards

    return measure


def overlap(folder, best):
    """A function of the results: pictures/s of a folder, by the `best` that its parts allow."""

    def measure(results):
        names = [f"{folder} {way}" for way in ("lab", "decoding", "network")]
        rounds = zip(*[values(results, name) for name in names], strict=False)
        quotients = [whole / best(parts) for whole, *parts in rounds if whole and all(parts)]
        return median(quotients) if quotients else None

    return measure


def shared(parts):
    """Pictures/s of parts, each with all cores when alone, that share them: their times add up."""
    return 1 / sum(1 / part for part in parts)


def middle(name):
    """A function of the results: the median of a series."""

    def measure(results):
        found = list(filter(None, values(results, name)))
        return median(found) if found else None

    return measure


def peak_memory(name):
    """A function of the results: the most memory of a series, in GB."""

    def measure(results):
        memory = results["series"].get(name, {}).get("peak_memory")
        return memory and memory / 1e9

    return measure


KINDS = ("AVX2", "AVX512-BF16", "AMX")  # of processors, by what multiplies there
# fmt: off
BARS = [  # what, and the goal for each of KINDS
    ("float32, × the course",  "≥", 1.5,  1.35, 1.35, ratio("lab-float32", "course")),
    ("float32, × OpenVINO",    "≥", 1.05, 1.05, 1.05, ratio("lab-float32", "openvino-float32")),
    ("float32, of ceiling",    "≥", 0.85, 0.9,  0.9,  share("lab-float32", "ceiling-float32")),
    ("bfloat16, × the course", "≥", None, 2.5,  4.5,  ratio("lab-bfloat16", "course")),
    ("bfloat16, × OpenVINO",   "≥", None, 1.1,  1.1,  ratio("lab-bfloat16", "openvino-bfloat16")),
    ("bfloat16, of ceiling",   "≥", None, 0.9,  0.6,  share("lab-bfloat16", "ceiling-bfloat16")),
    ("codes f32, × Keras",     "≥", 1.1,  1.1,  1.1,  ratio("codes lab f32", "codes keras f32")),
    ("codes f32, × OpenVINO",  "≥", 1.0,  1.0,  1.0,  ratio("codes lab f32", "codes openvino f32")),
    ("codes f32, of ceiling",  "≥", 0.85, 0.85, 0.85, share("codes lab f32", "ceiling-float32")),
    ("codes bf16, × float32",  "≥", None, 1.7,  2.5,  ratio("codes lab bf16", "codes lab f32")),
    ("training, × the course", "≥", 12,   20,   30,   ratio("course-training", "training")),
    ("training, peak GB",      "≤", 3,    3,    3,    peak_memory("training")),
    ("first result, s",        "≤", 2,    2,    2,    middle("first result")),
    ("second training, s",     "≤", 10,   10,   10,   middle("second training")),
    ("head epoch, s",          "≤", 0.5,  0.5,  0.5,  middle("head epoch")),
    ("step float32, × course",  "≥", 1.35, 1.35, 1.35, ratio("step lab-float32", "step course")),
    ("step float32, × PyTorch", "≥", 1.0, 1.0, 1.0,
     ratio("step lab-float32", "step pytorch-float32")),
    ("step float32, of ceiling", "≥", 0.75, 0.75, 0.75,
     step_share("step lab-float32", "ceiling-float32")),
    ("step bfloat16, × float32", "≥", None, 1.6, 2.5,
     ratio("step lab-bfloat16", "step lab-float32")),
    ("step, peak GB",          "≤", 4,    4,    4,    peak_memory("step lab-float32")),
    ("dense epoch, s",         "≤", None, 60,   60,   middle("dense epoch")),
    ("500x375, of slower",     "≥", 0.85, 0.85, 0.85, overlap("500x375", min)),
    ("500x375, of shared",     "≥", 0.9,  0.9,  0.9,  overlap("500x375", shared)),
    ("4000x3000, of slower",   "≥", 0.85, 0.85, 0.85, overlap("4000x3000", min)),
    ("4000x3000, of shared",   "≥", 0.9,  0.9,  0.9,  overlap("4000x3000", shared)),
]
# fmt: on


def values(results, name):
    """Those of a series, a round each; none when it was not measured."""
    return results["series"].get(name, {}).get("values") or []


def giga_operations(results, name):
    """Billions of additions and multiplications of one picture on its way to its features."""
    way = {"course": "SAME"}.get(name, "codes" if name.startswith("codes ") else "VALID")
    return 2 * results["setup"]["multiply_adds"][way] / 1e9


def table(results):
    """All results as text."""
    return "\n\n".join([_head(results), _lines(results), _bars(results["bars"])]).rstrip()


def _head(results):
    setup, machine = results["setup"], results["setup"]["machine"]
    lines = [f"{machine['device']}, {machine['cores']} cores, {machine['processor']}"]
    lines.append(f"Kind: {machine['kind'] or 'none that bars are set for'}")
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
        found = list(filter(None, one["values"]))
        figures = (median(found), min(found), max(found)) if found else ()
        text = "".join(f" {figure:9.4g}" for figure in figures) or f"{'-':>10}" * 3
        memory = f"{one['peak_memory'] / 1e9:5.1f}" if one.get("peak_memory") else " " * 5
        lines.append(f"{name:30}{text}  {one['unit']:11}{memory}  {_remarks(results, name, one)}")
    return "\n".join(lines)


def _remarks(results, name, one):
    remarks = [one.get("trouble"), one.get("note")]
    if one.get("batch"):
        remarks.append(f"{one['batch']} at once")
    if one.get("error") is not None:
        features = "codes" if name.startswith("codes ") else "fc7"
        remarks.append(f"{features} within {one['error']:.1e}")
        if speed := middle(name)(results):
            remarks.append(f"{speed * giga_operations(results, name):.0f} GFLOP/s")
    return ", ".join(filter(None, remarks))


def _bars(found):
    words = {True: "met", False: "MISSED", None: "not judged"}
    if not found:
        return ""
    lines = [f"{'Bars':26}{'found':>8}  {'goal':8}"]
    for bar in found:
        value = "-" if bar["value"] is None else f"{bar['value']:.3g}"
        lines.append(f"{bar['what']:26}{value:>8}  {bar['goal']:8}{words[bar['met']]}")
    return "\n".join(lines)
