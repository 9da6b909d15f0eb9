"""The kinds of file a run can be shipped as: who can have which, what it takes, who writes it."""

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Format:
    """A kind of file.

    file: its name in the folder. writer: the function of a module that writes it.
    runtime: the module that opens it. writes: another module that writing it takes.
    least: of the pictures, the share it must name as the run does; None where it computes so
        coarsely that accuracy is compared instead.
    """

    file: str
    writer: tuple[str, str]
    runtime: str
    writes: str
    least: float | None = None

    @property
    def packages(self):
        return {self.runtime, self.writes}


TENSORFLOW, ONNX, LITE = "tensorflow", "onnxruntime", "ai_edge_litert"
FORMATS = {
    "savedmodel": Format(
        "savedmodel", ("classifier", "saved_model"), TENSORFLOW, TENSORFLOW, 0.999
    ),
    "onnx": Format("classifier.onnx", ("onnx_graph", "save"), ONNX, "onnx", 0.999),
    "float16": Format("classifier-float16.tflite", ("lite", "float16"), LITE, TENSORFLOW, 0.995),
    "int8": Format("classifier-int8.tflite", ("lite", "int8"), LITE, "ai_edge_quantizer"),
}
LOST = 0.01  # accuracy that 8 bits may cost


def chosen(asked, record, network):
    """The names of the formats to write: those asked for, or all that the run can have.

    record, network: the run's. Raises ValueError for one that it cannot have, or for packages that
    are not installed.
    """
    impossible = _impossible(record, network)
    for name in asked or ():
        if name in impossible:
            raise ValueError(f"--formats {name}: {impossible[name]}")
    names = asked or [name for name in FORMATS if name not in impossible]
    missing = {
        package.replace("_", "-")
        for name in names
        for package in FORMATS[name].packages
        if not find_spec(package)
    }
    if missing:
        raise ValueError(
            f"{', '.join(sorted(missing))}: not installed; `make export` does it, or "
            "`pip install -r deploy/export/requirements.txt`"
        )
    return names


def _impossible(record, network):
    """Format -> why the run cannot have it."""
    if not network.layered:
        why = f"{network.name} is Keras's and can be shipped as savedmodel alone"
        return dict.fromkeys(("onnx", "float16", "int8"), why)
    if record.preprocess == "course":
        why = "takes pictures that are resized already, and nothing resizes as the course did; "
        return dict.fromkeys(("float16", "int8"), why + "take savedmodel or onnx")
    return {}
