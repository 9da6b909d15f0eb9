"""A run as a file of LiteRT, for phones and small computers.

It takes one picture at a time, squeezed into the network's own square: accelerators want one size,
and LiteRT has no resize that averages.
"""

import contextlib
import io
import tempfile
from pathlib import Path

import tensorflow as tf

from deploy.export.classifier import JUDGED, Classifier


def float16(run, path):
    """Write a file that computes in floats; its weights have 16 bits."""
    path.write_bytes(_converted(run, tf.float16))


def int8(run, path, representatives):
    """Write a file whose network computes in 8 bits.

    What is made of the features stays in floats: strangeness is a small difference of large
    numbers. So do the normalisations, whose squares 8 bits cannot tell apart.

    representatives: squares, RGB 0-255, float32 [n, side, side, 3], that show how large numbers
        get in each layer.
    """
    from ai_edge_quantizer import calibrator, quantizer, recipe_manager
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    recipe = recipe_manager.RecipeManager()
    for kind in (TFLOperationName.CONV_2D, TFLOperationName.FULLY_CONNECTED):
        recipe.add_static_config(f"^(?!.*{JUDGED}/)", kind, 8, 8)
    with tempfile.TemporaryDirectory() as folder, _silent():
        floats = Path(folder, "floats.tflite")
        floats.write_bytes(_converted(run))
        # The largest number of all pictures, not a mean of their largest, as is the default: that
        # clips every second picture, and cost 4 points of accuracy.
        measuring = calibrator.Calibrator(str(floats), qsv_update_func=min_max_update)
        squares = [{"images": square[None]} for square in representatives]
        measuring.calibrate({"serving_default": squares}, recipe)
        small = quantizer.Quantizer(str(floats), recipe.get_quantization_recipe())
        small.quantize(measuring.get_model_qsvs()).export_model(str(path))
    path.chmod(0o644)


def _converted(run, weights=None):
    """The bytes of a LiteRT file in floats; weights: the type to keep them in."""
    side = run.network.module.INPUT_SIZE
    classifier = Classifier(run)
    images = tf.TensorSpec([1, side, side, 3], tf.float32, "images")
    classify = tf.function(classifier, input_signature=[images], autograph=False)
    with tempfile.TemporaryDirectory() as folder, _silent():
        # By way of a SavedModel, for the names of what goes in and comes out.
        tf.saved_model.save(classifier, folder, signatures=classify)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if weights:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [weights]
        return converter.convert()


@contextlib.contextmanager
def _silent():
    """Without the bars and reports that these libraries print."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
