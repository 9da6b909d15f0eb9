"""What TensorBoard shows of a run beside its curves: the confusion matrix and the features.

tensorboard --logdir runs/latest/tensorboard
"""

import math

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.plugins import projector

from lab.data import images

MOST = 2000  # pictures on the map: 16 MB, and a browser still turns it smoothly
THUMBNAIL = 32  # pixels


def write_extras(run_folder, features, labels, names, pictures, confusion_png):
    """Add the image `confusion_png` and a map of validation pictures to RUN/tensorboard.

    features [n, 4096], labels [n] and pictures (uint8 [n, h, w, 3] or n paths) are of one order;
    of more than MOST a sample is taken, the same each time.
    """
    # Not in its parent: the projector would show a checkpoint there for `train` beside it as well.
    folder = run_folder / "tensorboard" / "validation"
    folder.mkdir(parents=True, exist_ok=True)
    with tf.summary.create_file_writer(str(folder)).as_default():
        tf.summary.image("confusion", images.read(confusion_png)[np.newaxis], step=0)
    rows = np.random.default_rng(0).permutation(len(labels))[:MOST]
    _write_map(
        folder,
        features[rows],
        [names[label] for label in labels[rows]],
        [pictures[row] for row in rows],
    )


def _write_map(folder, features, names, pictures):
    """The files of TensorBoard's embedding projector: numbers, names and thumbnails of its dots."""
    tf.train.Checkpoint(fc7=tf.Variable(features)).save(folder / "fc7.ckpt")
    # One line a dot and no header, as the projector wants a single column.
    lines = (" ".join(name.split()) for name in names)
    (folder / "names.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    _sheet(pictures).save(folder / "thumbnails.png")

    config = projector.ProjectorConfig()
    dots = config.embeddings.add()
    dots.tensor_name = "fc7/.ATTRIBUTES/VARIABLE_VALUE"  # what tf.train.Checkpoint calls it
    dots.metadata_path = "names.tsv"
    dots.sprite.image_path = "thumbnails.png"
    dots.sprite.single_image_dim.extend([THUMBNAIL, THUMBNAIL])
    projector.visualize_embeddings(folder, config)


def _sheet(pictures):
    """All pictures, small, on one: row by row in a square, as the projector cuts them out."""
    columns = math.ceil(math.sqrt(len(pictures)))
    sheet = Image.new("RGB", (columns * THUMBNAIL, columns * THUMBNAIL))
    for place, picture in enumerate(pictures):
        array = picture if isinstance(picture, np.ndarray) else images.read(picture)
        row, column = divmod(place, columns)
        small = Image.fromarray(array).resize((THUMBNAIL, THUMBNAIL))
        sheet.paste(small, (column * THUMBNAIL, row * THUMBNAIL))
    return sheet
