"""What the network sees: its filters, what lights up, what decides, what looks alike.

    python visualize.py                                the lesson's pictures, layer by layer
    python visualize.py dog.jpg --out seen             your own pictures, into your own folder
    python visualize.py stop.jpg --run runs/latest     the parts of a picture that decide
    python visualize.py --data train.p                 a map of pictures by their features
    python visualize.py --demo                         no file needed

Writes conv1.png (of VGG16 conv1_1.png), activations-PICTURE.png, with --run gradcam-PICTURE.png,
with --data map.png.
"""

import sys
from functools import partial
from pathlib import Path

from lab.command_line import parser, user_errors
from lab.console import notice, say

PICTURES = ["poodle.png", "weasel.png", "construction.jpg", "stop.jpg"]
MAP_PICTURES = 1300  # one of each track in train.p
FEWEST = 10  # pictures that make a map


def look(picture, weights, network, convention="caffe"):
    """What each layer puts out for one picture, RGB [h, w, 3]: layer -> tensor [1, ...]."""
    images = network.module.preprocess(picture[None], convention)
    return network.activations(images, weights, convention)


def evidence(picture, run):
    """How much each part of a picture speaks for the class the run takes it for: [h, w], >= 0.

    Grad-CAM, Selvaraju et al. (2017), equations 1 and 2, on the last convolution below the head:
    a channel is worth what its growth adds to the score of the class, on average over places; where
    it is active, that counts.
    """
    import tensorflow as tf

    images = run.network.module.preprocess(picture[None], run.convention)
    layer = run.network.last_map(run.layer)
    maps = run.network.activations(images, run.weights, run.convention)[layer]  # [1, h, w, c]
    with tf.GradientTape() as tape:
        tape.watch(maps)
        features = run.network.features(maps, run.weights, run.layer, after=layer)
        score = tf.reduce_max(run.head(features))
    worth = tf.reduce_mean(tape.gradient(score, maps), axis=[1, 2])  # [1, c]
    return tf.nn.relu(tf.einsum("nhwc,nc->hw", maps, worth)).numpy()


def lay_out(features, seed):
    """Places [n, 2] for features [n, 4096] that keep neighbours together.

    PCA to 50 dimensions, then t-SNE; van der Maaten and Hinton (2008) took 30.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count = len(features)
    coarse = PCA(min(50, count), random_state=seed).fit_transform(features.astype("float32"))
    return TSNE(perplexity=min(30, count / 4), random_state=seed).fit_transform(coarse)


def read_pictures(paths, demo, subject="signs", skip_broken=False):
    """Name -> uint8 RGB [h, w, 3]. The names will be part of file names."""
    from lab import inputs
    from lab.demo import stand_ins

    def draw():
        return stand_ins.pictures(subject) | stand_ins.photographs()

    named = inputs.named(paths, PICTURES, demo, draw, skip_broken)
    pictures = {Path(name).stem: inputs.decoded(picture) for name, picture in named.items()}
    if len(pictures) < len(named):
        raise ValueError("two pictures have one name, so would their drawings: rename one")
    return pictures


def read_map(args, subject):
    """A Dataset of `--limit` labelled pictures, every class in its share."""
    from lab import inputs
    from lab.demo import stand_ins

    dataset = inputs.labelled(args, args.data, partial(stand_ins.dataset, subject))
    if len(dataset) < FEWEST:
        raise ValueError(f"a map needs {FEWEST} pictures, found {len(dataset)}: raise --limit")
    return dataset


def draw_filters(weights, network, convention, out):
    """The kernels of the first layer in the colours they answer to."""
    from lab.runs import drawings

    path = Path(out, f"{network.first}.png")
    kernel = weights[network.first][0].numpy()
    rgb = kernel if convention in network.rgb else kernel[:, :, ::-1]  # Caffe sees BGR
    drawings.filters(rgb, path)
    say(path)


def draw_pictures(pictures, weights, network, convention, out):
    """What lights up for each picture in each convolution."""
    from lab.runs import drawings

    for name, picture in pictures.items():
        path = Path(out, f"activations-{name}.png")
        layers = look(picture, weights, network, convention)
        maps = {layer: x[0].numpy() for layer, x in layers.items() if layer.startswith("conv")}
        drawings.activations(picture, maps, path)
        say(path)


def draw_decisions(pictures, run, out):
    """Which parts of each picture decide what it is taken for."""
    from lab.runs import drawings

    probabilities = run.probabilities([*pictures.values()], cache=False)
    for (name, picture), row in zip(pictures.items(), probabilities, strict=True):
        best = row.argmax()
        path = Path(out, f"gradcam-{name}.png")
        drawings.decision(picture, evidence(picture, run), run.names[best], row[best], path)
        say(path)


def draw_map(dataset, features, args):
    """Labelled pictures laid out by their features."""
    from lab.runs import drawings

    path = Path(args.out, "map.png")
    notice(f"Laying out {len(dataset):,} pictures")
    places = lay_out(features, args.seed)
    drawings.feature_map(places, dataset.images, dataset.labels, dataset.names, path)
    say(path)


def command_line():
    options = parser(
        __doc__, "--network", "--weights", "--run", "--preprocess", "--precision", "--limit",
        "--no-cache", "--seed", "--skip-broken", "--demo",
    )  # fmt: skip
    options.add_argument("pictures", nargs="*", help="picture files")
    options.add_argument("--data", metavar="PATH", help="labelled pictures to draw a map of")
    options.add_argument(
        "--out",
        metavar="DIR",
        help="where drawings go (default: runs/seen, or seen in the folder of the run)",
    )
    options.set_defaults(limit=MAP_PICTURES, preprocess=None, precision=None)
    return options


def main(argv=None):
    args = command_line().parse_args(argv)

    from lab.runs import asked

    with user_errors():
        network = asked.check(args, PICTURES)
        if not (network.layered or args.data or args.demo):
            raise ValueError(f"{network.name} shows nothing of its layers: --data draws a map")

    from lab import device, inputs  # TensorFlow takes seconds to load: wrong names need not wait

    device.prepare()
    from lab.features.extraction import extract
    from lab.runs.run import load

    with user_errors():
        run = args.run and load(args.run, args.weights, args.preprocess, args.demo)
        demo = args.demo or bool(run and run.record.demo)
        layer, convention = None, args.preprocess or "caffe"
        if run:
            layer, convention = run.layer, run.convention
        pictures = network.layered and read_pictures(
            args.pictures, demo, network.subject, args.skip_broken
        )
        dataset = read_map(args, network.subject) if args.data or args.demo else None
        weights = run.weights if run else inputs.weights(network, args.weights, args.demo)
        args.out = args.out or Path(run.folder if run else "runs", "seen")
        Path(args.out).mkdir(parents=True, exist_ok=True)

        if network.layered:
            draw_filters(weights, network, convention, args.out)
            draw_pictures(pictures, weights, network, convention, args.out)
            if run:
                draw_decisions(pictures, run, args.out)
        else:
            notice(f"{network.name} shows nothing of its layers: of it there is only the map")
        if dataset:
            precision = args.precision or (run.record.precision if run else "auto")
            seen = extract(
                dataset.images, weights, convention, precision, args.cache, network, layer
            )
            draw_map(dataset, seen, args)


if __name__ == "__main__":
    sys.exit(main())
