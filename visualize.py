"""What the network sees: its filters, what lights up, what decides, what looks alike.

    python visualize.py                                the lesson's pictures, layer by layer
    python visualize.py dog.jpg --out seen             your own pictures, into your own folder
    python visualize.py stop.jpg --head runs/latest    the parts of a picture that decide
    python visualize.py --data train.p                 a map of pictures by their features
    python visualize.py --demo                         no file needed

Writes conv1.png, activations-PICTURE.png, with --head gradcam-PICTURE.png, with --data map.png.
"""

import sys
from pathlib import Path

import numpy as np

from lab.command_line import parser, user_errors
from lab.console import notice

PICTURES = ["poodle.png", "weasel.png", "construction.jpg", "stop.jpg"]
CONVOLUTIONS = ["conv1", "conv2", "conv3", "conv4", "conv5"]
MAP_PICTURES = 1300  # one of each track in train.p
FEWEST = 10  # pictures that make a map


def look(picture, weights, convention="caffe"):
    """What each layer puts out for one picture, RGB [h, w, 3]: layer -> tensor [1, ...]."""
    from alexnet import CONV1_PADDING, activations, preprocess

    images = preprocess(picture[None], convention)
    return activations(images, weights, conv1_padding=CONV1_PADDING[convention])


def evidence(picture, weights, head, convention="caffe"):
    """How much each part of a picture speaks for the class `head` takes it for: [13, 13], >= 0.

    Grad-CAM, Selvaraju et al. (2017), equations 1 and 2, on conv5: a channel is worth what its
    growth adds to the score of the class, on average over places; where it is active, that counts.
    """
    import tensorflow as tf

    picture = tf.constant(picture, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(picture)  # so that all computed from it is recorded, conv5 too
        layers = look(picture, weights, convention)
        score = tf.reduce_max(head(layers["fc7"]))
    worth = tf.reduce_mean(tape.gradient(score, layers["conv5"]), axis=[1, 2])  # [1, 256]
    return tf.nn.relu(tf.einsum("nhwc,nc->hw", layers["conv5"], worth)).numpy()


def lay_out(features, seed):
    """Places [n, 2] for features [n, 4096] that keep neighbours together.

    PCA to 50 dimensions, then t-SNE; van der Maaten and Hinton (2008) took 30.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count = len(features)
    coarse = PCA(min(50, count), random_state=seed).fit_transform(features.astype(np.float32))
    return TSNE(perplexity=min(30, count / 4), random_state=seed).fit_transform(coarse)


def read_pictures(paths):
    """Name -> uint8 RGB [h, w, 3]. The names will be part of file names."""
    from lab.data import images

    pictures = {Path(path).stem: images.read(path) for path in paths}
    if len(pictures) < len(paths):
        raise ValueError("two pictures have one name, so would their drawings: rename one")
    return pictures


def read_map(args):
    """A Dataset of `--limit` labelled pictures, every class in its share."""
    from lab.data import dataset as datasets
    from lab.data import splits
    from lab.demo import stand_ins as demo

    dataset = datasets.load(args.data) if args.data else demo.dataset()
    dataset = dataset.take(splits.stratified_subset(dataset, args.limit, args.seed))
    if len(dataset) < FEWEST:
        raise ValueError(f"a map needs {FEWEST} pictures, found {len(dataset)}: raise --limit")
    return dataset


def draw_filters(weights, convention, path):
    """The kernels of conv1 in the colours they answer to."""
    from lab.runs import drawings

    kernel = weights["conv1"][0].numpy()
    rgb = kernel[:, :, ::-1] if convention == "caffe" else kernel  # Caffe sees BGR
    drawings.filters(rgb, path)
    print(path)


def draw_picture(name, picture, weights, run, args):
    """What lights up for one picture and, with a run, which parts of it decide."""
    from lab.runs import drawings

    layers = look(picture, weights, args.preprocess)
    path = Path(args.out, f"activations-{name}.png")
    drawings.activations(picture, {conv: layers[conv][0].numpy() for conv in CONVOLUTIONS}, path)
    print(path)
    if run:
        probabilities = run.probabilities(layers["fc7"].numpy())[0]
        best = probabilities.argmax()
        heat = evidence(picture, weights, run.head, args.preprocess)
        path = Path(args.out, f"gradcam-{name}.png")
        drawings.decision(picture, heat, run.names[best], probabilities[best], path)
        print(path)


def draw_map(dataset, weights, args):
    """Labelled pictures laid out by their features."""
    from lab.features import extraction as features
    from lab.runs import drawings

    with user_errors():  # pictures in folders are decoded only now
        seen = features.extract(dataset.images, weights, args.preprocess, args.precision)
    path = Path(args.out, "map.png")
    notice(f"Laying out {len(dataset):,} pictures")
    places = lay_out(seen, args.seed)
    drawings.feature_map(places, dataset.images, dataset.labels, dataset.names, path)
    print(path)


def main(argv=None):
    options = parser(
        __doc__, "--weights", "--head", "--preprocess", "--precision", "--limit", "--seed", "--demo"
    )
    options.add_argument("pictures", nargs="*", default=PICTURES, help="picture files")
    options.add_argument("--data", metavar="PATH", help="labelled pictures to draw a map of")
    options.add_argument("--out", default="runs/seen", metavar="DIR", help="where drawings go")
    options.set_defaults(limit=MAP_PICTURES)
    args = options.parse_args(argv)

    from lab import device
    from lab.demo import stand_ins as demo
    from lab.features import extraction as features
    from lab.runs import run as runs

    device.prepare()
    from alexnet import load_weights

    with user_errors():
        if args.demo:
            pictures, weights = demo.signs() | demo.photographs(), demo.weights()
        else:
            pictures, weights = read_pictures(args.pictures), load_weights(args.weights)
        run = None
        if args.head:
            run = runs.load(args.head, features.weights_digest(weights), args.preprocess)
        dataset = read_map(args) if args.data or args.demo else None
        Path(args.out).mkdir(parents=True, exist_ok=True)

    draw_filters(weights, args.preprocess, Path(args.out, "conv1.png"))
    for name, picture in pictures.items():
        draw_picture(name, picture, weights, run, args)
    if dataset:
        draw_map(dataset, weights, args)


if __name__ == "__main__":
    sys.exit(main())
