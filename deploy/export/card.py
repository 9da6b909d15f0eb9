"""What goes with the files: `export.json` for programs, `README.md`, the model card, for people."""

import json
from importlib.metadata import packages_distributions, version
from pathlib import Path

import jinja2

from deploy.export.formats import FORMATS
from lab.console import one_line, readable
from lab.files import replace_text
from lab.networks import named
from lab.runs import record as records

TEMPLATE = Path(__file__).with_name("card.md.jinja")
LICENCES = {
    "alexnet": "Berkeley's bvlc_alexnet, released for unrestricted use",
    "vgg16": "Oxford's VGG_ILSVRC_16_layers, Creative Commons Attribution 4.0",
}


def write(folder, run, shown, figures):
    """Write both into the folder. shown, figures: the Pictures and `tried` of comparison."""
    export = described(run, shown, figures)
    replace_text(folder / "export.json", json.dumps(export, indent=2) + "\n")
    replace_text(folder / "README.md", page(run, export))


def described(run, shown, figures):
    """All of export.json, but for what the run's own record says."""
    record = run.record
    packages = packages_distributions()  # ONNX Runtime, for one, comes under several names
    opened_with = {FORMATS[name].runtime for name in figures}
    return {
        "names": run.names,
        "run": run.folder.resolve().name,
        "method": record.method,
        "network": record.network,
        "layer": record.layer,
        "preprocess": record.preprocess,
        "temperature": record.temperature,
        "strangeness": run.usual is not None,
        "side": run.network.module.INPUT_SIZE,
        "weights": {**record.weights.model_dump(), "path": _name(record.weights.path)},
        "compared_on": {"data": shown.data, "held_out": shown.held_out},
        "files": figures,
        "versions": {each: version(packages[each][0]) for each in sorted(opened_with)},
    }


def page(run, export):
    """The model card, Markdown."""
    network = named(run.record.network)
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"readable": readable, "line": _escaped, "name": _name}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        run=run,
        record=run.record,
        export=export,
        evaluation=records.read_evaluation(run.folder),
        licence=LICENCES.get(network.name, "see the model's page at keras.applications"),
        signs=network.subject == "signs",
    )


def _name(path):
    """Of a file; where it lay is nobody's business."""
    return Path(path).name


def _escaped(text):
    """Text from strangers on one line that Markdown leaves as it is."""
    return "".join(f"\\{c}" if c in r"\`*_[]<>|#" else c for c in one_line(str(text)))
