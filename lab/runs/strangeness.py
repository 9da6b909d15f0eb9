"""How unlike all that a run was trained on a picture is: its head would name a poodle as well.

Two measures are taken of the features of a picture, brought to length 1:

- the relative Mahalanobis distance (Ren et al., "A Simple Fix to Mahalanobis Distance for Improving
  Near-OOD Detection", 2021): how far it is from the nearest class, measured by the spread within
  classes, less how far from the mean, measured by the spread of all. Along the few hundred
  directions in which training pictures differ most.
- the residual: what is left beside those directions, little of pictures like those that trained
  (Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching", 2022).

Neither does alone: handwritten digits lie along the directions but between the classes of signs,
and many photographs lie beside. Validation pictures say how much of each is usual.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from sklearn.utils.extmath import randomized_svd

from lab.formats import npz

FILE = "strangeness.npz"
FALSE_ALARMS = 0.05  # of the validation pictures this share is called strange
DIRECTIONS = 256
ROWS_A_DIRECTION = 5  # training pictures; with fewer the spread along it would be a guess
SHRINKAGE = 0.1  # of spreads towards their mean, after Ledoit and Wolf (2004)
FINEST = 1e-3  # no difference below it counts; features have length 1
BATCH = 1024  # pictures
SAMPLE = 2**24  # features that are looked at to find the directions: 64 MB; more find no better
HALVINGS = 10
LARGEST = 2**27  # bytes; with 1,000 classes and 25,088 features the file has 15 million
# What share is called strange after a split of this kind. Pictures of which siblings trained look
# more usual than new ones, so a threshold set by them is low: measured on tracks of train.p.
EXPECTED = {
    "track": "5% expected of pictures like those trained on",
    "random": "5% expected of pictures like those trained on; after a random split 8 to 11% of "
    "new ones, as measured on train.p",
}
AGAIN = "delete it, or train again with `python train_feature_extraction.py`"


@dataclass(frozen=True, eq=False)
class Strangeness:
    """What is usual among the pictures of a run, as arrays of float32.

    mean: of features of length 1, [width].
    directions: in which they differ most, [width, d]; orthonormal, as float16 has them.
    axes: of those directions the ones along which the spread within classes is 1, [d, d].
    variances: of all training pictures along the axes, [d].
    centres: of the classes that trained, on the axes, [classes, d].
    usual, unit: of the two measures, [2]: what half of the validation pictures stay below, and how
        far above that is strange.
    """

    mean: np.ndarray
    directions: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    centres: np.ndarray
    usual: np.ndarray
    unit: np.ndarray

    def of(self, features):
        """Of pictures, by their features [n, width]: float32 [n].

        0 where both measures are usual; above 1 a picture is unlike anything that was trained on.
        """
        return _joined(self.measures(features), self.usual, self.unit)

    def measures(self, features):
        """Relative Mahalanobis distance and residual of each picture: float32 [n, 2]."""
        starts = range(0, len(features), BATCH)
        return np.concatenate([self._measured(features[at : at + BATCH]) for at in starts])

    def _measured(self, features):
        centred = _of_length_1(features) - self.mean  # [b, width]
        along = centred @ self.directions  # [b, d]
        places = along @ self.axes
        # |place - centre|², multiplied out.
        from_centres = np.square(self.centres).sum(1) - 2 * places @ self.centres.T  # [b, classes]
        nearest = from_centres.min(1) + np.square(places).sum(1)
        distance = nearest - (np.square(places) / self.variances).sum(1)
        residual = np.square(centred).sum(1) - np.square(along).sum(1)
        return np.stack([distance, residual], axis=1)

    def save(self, path):
        """Write the `.npz` file that `load` reads."""
        np.savez(path, **vars(self) | {"directions": self.directions.astype(np.float16)})


def _of_length_1(features):
    features = np.asarray(features, np.float32)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(lengths, FINEST)


def _joined(measures, usual, unit):
    """How far both measures are above what is usual, together: float32 [n]."""
    return np.hypot(*np.maximum(0, (measures - usual) / unit).T)


# ---- fitting -------------------------------------------------------------------------------------


def fit(features, labels, rows, seed=0):
    """The Strangeness that calls FALSE_ALARMS of the validation pictures strange; theirs, [m].

    features: [n, width]; labels: int [n]; rows: those that trained and those that validate.
    """
    training, validation = rows
    mean, directions = _directions(features, training, seed)
    along = _along(features, training, mean, directions)
    centres, within = _classes(along, labels[training])
    variances, axes = eigh(_spread(along), _spread(within))
    arrays = (mean, directions, axes, variances, centres @ axes, np.zeros(2), np.ones(2))
    measuring = Strangeness(*[array.astype(np.float32) for array in arrays])
    measures = measuring.measures(features[validation])
    usual, unit = _scale(measures)
    fitted = dataclasses.replace(measuring, usual=usual, unit=unit)
    return fitted, _joined(measures, usual, unit)


def _directions(features, rows, seed):
    """Mean [width] and principal directions [width, d] of rows of the features."""
    count = min(DIRECTIONS, max(1, len(rows) // ROWS_A_DIRECTION), features.shape[1])
    chosen = np.random.default_rng(seed).permutation(rows)[: max(SAMPLE // features.shape[1], 1)]
    sample = _of_length_1(features[np.sort(chosen)])
    mean = sample.mean(0)
    sample -= mean
    directions = randomized_svd(sample, count, n_iter=1, random_state=seed)[2].T
    return mean, directions.astype(np.float16).astype(np.float32)


def _along(features, rows, mean, directions):
    """Where rows of the features are along the directions: [rows, d]."""
    batches = (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
    return np.concatenate([(_of_length_1(features[b]) - mean) @ directions for b in batches])


def _classes(along, labels):
    """Centres of the classes that occur [classes, d], and of each row what it is off its own."""
    _, members, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    centres = np.zeros((len(sizes), along.shape[1]))
    np.add.at(centres, members, along)
    centres /= sizes[:, None]
    return centres, along - centres[members]


def _spread(offsets):
    """The covariance of offsets from a mean [n, d], shrunk: [d, d]."""
    covariance = offsets.T.astype(np.float64) @ offsets / len(offsets)
    shrunk = (1 - SHRINKAGE) * covariance
    # Of classes with one picture each there is no spread; the last term lets them be told.
    shrunk.flat[:: len(shrunk) + 1] += SHRINKAGE * np.diag(covariance).mean() + FINEST**2
    return shrunk


def _scale(measures):
    """`usual` and `unit` by the measures of validation pictures [n, 2]."""
    usual, upper = np.quantile(measures, [0.5, 0.75], axis=0).astype(np.float32)
    unit = np.maximum(upper - usual, np.float32(FINEST))
    return usual, unit * max(_threshold(_joined(measures, usual, unit)), np.float32(1))


def _threshold(values):
    """What FALSE_ALARMS of further values of this kind exceed; of a few the largest."""
    # "weibull": the k-th largest of n values is what a share k / (n + 1) of new ones exceeds.
    return np.quantile(values, 1 - FALSE_ALARMS, method="weibull").astype(np.float32)


def false_alarms(values, groups=None, seed=0):
    """The share of validation pictures called strange when others of them set the threshold.

    values: their strangeness [n]. groups: [n], equal for pictures of one thing, which are then all
        among those that set it or all among those that are judged. The mean of many halvings; None
        when there is nothing to halve.
    """
    groups = np.arange(len(values)) if groups is None else groups
    _, group = np.unique(groups, return_inverse=True)
    count, rng = group.max() + 1, np.random.default_rng(seed)
    if count < 2:
        return None
    halves = [(rng.permutation(count) < count // 2)[group] for _ in range(HALVINGS)]
    sides = [side for half in halves for side in (half, ~half)]
    return float(np.mean([(values[~side] > _threshold(values[side])).mean() for side in sides]))


# ---- the file ------------------------------------------------------------------------------------


def load(path, width):
    """The Strangeness in the file `path`, for features [n, width]; None when there is no file.

    Raises ValueError, one line, when it is damaged, of another shape, or not finite.
    """
    if not path.exists():
        return None
    arrays = npz.load(path, LARGEST, AGAIN)
    none, names = np.empty(0), [field.name for field in dataclasses.fields(Strangeness)]
    found = {name: arrays.get(name, none) for name in names}
    d = found["variances"].size
    classes = found["centres"].size // max(d, 1)
    shapes = [(width,), (width, d), (d, d), (d,), (classes, d), (2,), (2,)]
    for (name, array), shape in zip(found.items(), shapes, strict=True):
        if array.shape != shape or not array.size:
            raise _damaged(path, f"{name} of shape {shape}", array.shape)
    with np.errstate(over="ignore"):
        strangeness = Strangeness(*[array.astype(np.float32) for array in found.values()])
    for name, array in vars(strangeness).items():
        if not np.isfinite(array).all():
            raise _damaged(path, f"finite {name}", "NaN or infinity")
        if name in ("variances", "unit") and array.min() <= 0:
            raise _damaged(path, f"{name} above 0", array.min())
    return strangeness


def _damaged(path, expected, found):
    return ValueError(f"{path}: expected {expected}, found {found}; {AGAIN}")
