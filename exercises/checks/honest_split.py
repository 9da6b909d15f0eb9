"""What honest_split.py is held to: what must hold of every split, whichever tracks were chosen."""

import numpy as np

from exercises.checks import honest_split_mistakes as mistakes
from exercises.machinery.checking import Wrong, check, known, numbers, pair, same

FRAMES, FRACTION = 6, 0.25
TRACKS_OF = (12, 8, 4, 1)  # of each class
HINTS = {
    "leak": (
        "np.isin(these, those) says of each of `these` whether it is among `those`.",
        "tracks[validation] are the tracks of the validation pictures. A mean of True "
        "and False is a share.",
    ),
    "split": (
        "Go through the classes one by one. np.unique(tracks[labels == label]) are the "
        "tracks of a class; draw among them, not among the pictures.",
        "rng.choice(members, count, replace=False) draws some of them. At the end "
        "np.isin(tracks, chosen) says of each picture whether it validates, and "
        "np.flatnonzero gives the rows.",
    ),
}


def film():
    """Labels and tracks of pictures, track by track, as in train.p; tracks have odd numbers."""
    labels = np.repeat(np.repeat(np.arange(len(TRACKS_OF)), TRACKS_OF), FRAMES)
    tracks = np.repeat(np.arange(sum(TRACKS_OF)) * 7 + 3, FRAMES)
    return labels, tracks


def sides(learner, seed=0, fraction=FRACTION):
    """What `split` returns, as two arrays of rows."""
    labels, tracks = film()
    found = pair(learner.split(labels, tracks, fraction, seed), "split", "two arrays of rows")
    if any(np.asarray(side).dtype == bool for side in found):
        raise known(mistakes.masks)
    rows = [numbers(side, "split").astype(int) for side in found]
    for side in rows:
        if side.ndim != 1 or (len(side) and not 0 <= side.min() <= side.max() < len(labels)):
            raise Wrong("`split` returns something else than rows, whole numbers below n.")
    return rows


@check("leak", "`leak` is the share of validation pictures that have a twin in training")
def shares(learner):
    tracks = np.array([5, 5, 5, 5, 8, 8, 2, 2, 2, 9])
    for training, validation in [([0, 4, 6, 7], [1, 2, 3, 5, 9]), ([4, 5], [0, 6, 9])]:
        arguments = tracks, np.array(training), np.array(validation)
        expected = np.mean([tracks[row] in tracks[training] for row in validation])
        same(learner.leak(*arguments), expected, mistakes, "leak", *arguments)


@check("split", "`split` puts every picture on one side")
def all_of_them(learner):
    training, validation = sides(learner)
    if np.intersect1d(training, validation).size:
        raise known(mistakes.on_both_sides)
    rows = np.concatenate([training, validation])
    if len(np.unique(rows)) < len(film()[0]):
        raise known(mistakes.one_frame_a_track)
    if len(rows) > len(film()[0]):
        raise known(mistakes.rows_repeated)
    if not len(validation):
        raise Wrong("No picture validates.")


@check("split", "no track is on both sides")
def tracks_whole(learner):
    training, validation = sides(learner)
    _, tracks = film()
    torn = np.isin(tracks[validation], tracks[training])
    if torn.any():
        raise known(mistakes.by_frame)


@check("split", "every class that can be on both sides is, in its share")
def by_class(learner):
    for seed in range(5):
        counts = _counts(sides(learner, seed))
        if counts[1] == [9, 6, 3, 1]:
            raise known(mistakes.sides_swapped)
        if counts[1] == [3, 2, 1, 1]:
            raise known(mistakes.lone_track_validates)
        if counts[1] != [3, 2, 1, 0] and sum(counts[1]) == 6:
            raise known(mistakes.classes_forgotten)
        if counts[1] != [3, 2, 1, 0]:
            raise Wrong(
                f"Of classes with 12, 8, 4 and 1 tracks {counts[1]} validate; with the fraction "
                "0.25 it should be [3, 2, 1, 0]."
            )
    fewer = _counts(sides(learner, fraction=0.2))[1]
    if fewer == [2, 1, 1, 0]:
        raise known(mistakes.rounded_down)
    if fewer != [2, 2, 1, 0]:
        raise Wrong(
            f"Of classes with 12, 8, 4 and 1 tracks {fewer} validate; with the fraction 0.2, "
            "rounded, it should be [2, 2, 1, 0]."
        )


def _counts(rows):
    """Of both sides, how many tracks of each class they have."""
    labels, tracks = film()
    return [
        [len(np.unique(tracks[side][labels[side] == label])) for label in range(4)] for side in rows
    ]


@check("split", "one track at least validates, and one is left to train")
def at_least_one(learner):
    labels, _ = film()
    for fraction in (0.01, 0.75, 0.99):
        rows = sides(learner, fraction=fraction)
        for side in rows:
            if set(labels[side]) - {3} != {0, 1, 2}:
                raise known(mistakes.not_one_at_least)
        if 3 not in labels[rows[0]]:
            raise known(mistakes.lone_track_validates)


@check("split", "the seed decides, and nothing else")
def seeded(learner):
    one, again, other, third = (sides(learner, seed)[1] for seed in (0, 0, 1, 2))
    if np.array_equal(np.sort(one), np.sort(other)) and np.array_equal(one, third):
        raise known(mistakes.always_the_same)
    if not np.array_equal(one, again):
        raise known(mistakes.another_every_time)


def draw(learner, path):
    """Which frames of which track train and validate, by the learner's code and as it should be."""
    from matplotlib.colors import ListedColormap

    from exercises.answers import honest_split as answer
    from lab.runs import canvas

    colours = ListedColormap([canvas.GREY, canvas.BLUE, canvas.ORANGE])
    with canvas.figure(path, 4, "honest_split: blue trains, orange validates") as figure:
        panels = {"your `split`": learner, "as it could be": answer}
        for axes, (title, by) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            side = np.zeros(len(film()[0]))
            side[sides(by)[0]], side[sides(by)[1]] = 1, 2
            image = side.reshape(-1, FRAMES)
            axes.pcolormesh(image, cmap=colours, vmin=0, vmax=2, edgecolors="white", linewidth=1)
            axes.invert_yaxis()
            axes.set_title(title, fontsize=10)
            axes.set(xticks=[], yticks=np.cumsum((0, *TRACKS_OF)), yticklabels=[])
            axes.set(xlabel="frames", ylabel="tracks, class by class")
