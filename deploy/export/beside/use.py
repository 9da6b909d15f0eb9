"""What do pictures show? Answered by the files of this folder; nothing else of the lab is needed.

pip install onnxruntime numpy pillow
python use.py classifier.onnx picture.jpg ...

pip install ai-edge-litert numpy pillow
python use.py classifier-int8.tflite picture.jpg ...

pip install tensorflow numpy pillow
python use.py savedmodel picture.jpg ...
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

TOP = 5


def load(path):
    """A function: picture, uint8 RGB [height, width, 3], any size -> name -> what comes out.

    "probabilities": [classes], in the order of "names" in export.json. "strangeness": a number,
    above 1 where the picture is unlike anything the classifier was trained on; not all know it.
    """
    loaders = {".onnx": load_onnx, ".tflite": load_litert, "": load_savedmodel}
    if Path(path).suffix not in loaders:
        sys.exit(f"{path}: expected an .onnx or .tflite file, or the folder savedmodel")
    return loaders[Path(path).suffix](str(path))


def load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())
    outputs = [output.name for output in session.get_outputs()]

    def classify(picture):
        found = session.run(None, {"images": picture[np.newaxis]})
        return {name: value[0] for name, value in zip(outputs, found, strict=True)}

    return classify


def load_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    run = interpreter.get_signature_runner()
    _, side, _, _ = run.get_input_details()["images"]["shape"]

    def classify(picture):
        found = run(images=squared(picture, side)[np.newaxis])
        return {name: value[0] for name, value in found.items()}

    return classify


def load_savedmodel(path):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    model = tf.saved_model.load(path)
    run = model.signatures["serving_default"]

    def classify(picture, model=model):  # whose variables go when nothing holds it
        found = run(images=tf.constant(picture[np.newaxis]))
        return {name: value.numpy()[0] for name, value in found.items()}

    return classify


def squared(picture, side):
    """The picture squeezed into a square: float32 [side, side, 3]. LiteRT's files take no other."""
    colours = [
        colour.convert("F").resize((side, side), Image.Resampling.BILINEAR)
        for colour in Image.fromarray(picture).split()
    ]
    return np.stack(colours, axis=-1)


def read(path):
    """The picture in a file, upright: uint8 RGB [height, width, 3]."""
    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode[0] == "I":  # 16-bit grey, which `convert` would clip at 255
            image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
        return np.asarray(image.convert("RGB"))


def main(path, *pictures):
    names = json.loads(Path(__file__).with_name("export.json").read_text("utf-8"))["names"]
    if not Path(path).exists():
        sys.exit(f"{path} is not there")
    classify = load(path)
    for picture in pictures:
        try:
            pixels = read(picture)
        except Exception as error:  # Pillow raises whatever damaged bytes trip
            print(f"{picture}: no picture: {error}", file=sys.stderr)
            continue
        found = classify(pixels)
        print(picture)
        if found.get("strangeness", 0) > 1:
            print(f"  unlike anything it was trained on (strangeness {found['strangeness']:.1f})")
        for label in np.argsort(-found["probabilities"], kind="stable")[:TOP]:
            print(f"  {names[label]}: {found['probabilities'][label]:.3f}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
