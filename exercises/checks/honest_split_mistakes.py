"""Mistakes known of honest_split.py."""

import numpy as np

from exercises.answers import honest_split as answer
from exercises.machinery.checking import instead_of


@instead_of("leak")
def of_the_training_pictures(tracks, training, validation):
    """That is the share of the training pictures that have a twin in validation.

    Ask it of each validation picture: np.isin(tracks[validation], ...).
    """
    return answer.leak(tracks, validation, training)


@instead_of("leak")
def rows_not_tracks(tracks, training, validation):
    """Rows were compared, not tracks: a row is never on both sides, but its track may be.

    Compare tracks[validation] with tracks[training].
    """
    return np.isin(validation, training).mean()


@instead_of("leak")
def tracks_counted(tracks, training, validation):
    """Tracks were counted, not pictures: a long track has more pictures that leak.

    Leave np.unique out: each validation picture counts.
    """
    return np.isin(np.unique(tracks[validation]), tracks[training]).mean()


@instead_of("leak")
def number_not_share(tracks, training, validation):
    """That is the number of pictures, not their share.

    Divide by how many validate: the mean in place of the sum.
    """
    return np.isin(tracks[validation], tracks[training]).sum()


@instead_of("split")
def by_frame(labels, tracks, fraction, seed):
    """The split is by frame: pictures of one track are on both sides.

    Draw among the tracks, then take all pictures of those drawn.
    """
    rows = np.random.default_rng(seed).permutation(len(labels))
    count = round(fraction * len(labels))
    return rows[count:], rows[:count]


@instead_of("split")
def classes_forgotten(labels, tracks, fraction, seed):
    """Tracks were drawn from all classes together: a class gets more or fewer than its share.

    Draw class by class.
    """
    members = np.unique(tracks)
    count = round(fraction * len(members))
    validates = np.isin(tracks, np.random.default_rng(seed).permutation(members)[:count])
    return np.flatnonzero(~validates), np.flatnonzero(validates)


@instead_of("split")
def sides_swapped(labels, tracks, fraction, seed):
    """The sides are swapped: `fraction` of the tracks trains, and the rest validates.

    Return the training rows first.
    """
    training, validation = answer.split(labels, tracks, fraction, seed)
    return validation, training


@instead_of("split")
def lone_track_validates(labels, tracks, fraction, seed):
    """A class with a single track validates and never trains: nobody could learn it.

    At most all tracks but one validate: np.clip(..., 1, len(members) - 1).
    """
    training, _ = answer.split(labels, tracks, fraction, seed)
    training = training[labels[training] < 3]
    return training, np.setdiff1d(np.arange(len(labels)), training)


@instead_of("split")
def not_one_at_least(labels, tracks, fraction, seed):
    """With a small or a large fraction a class is missing from one side.

    One track at least validates, and one at least is left to train: np.clip.
    """
    rng, chosen = np.random.default_rng(seed), []
    for label in np.unique(labels):
        members = np.unique(tracks[labels == label])
        chosen.extend(rng.permutation(members)[: round(fraction * len(members))])
    validates = np.isin(tracks, chosen)
    return np.flatnonzero(~validates), np.flatnonzero(validates)


@instead_of("split")
def rounded_down(labels, tracks, fraction, seed):
    """The number of tracks was rounded down: with small classes far less validates than asked for.

    round in place of int or //.
    """
    rng, chosen = np.random.default_rng(seed), []
    for label in np.unique(labels):
        members = np.unique(tracks[labels == label])
        count = np.clip(int(fraction * len(members)), 1, len(members) - 1)
        chosen.extend(rng.permutation(members)[:count])
    validates = np.isin(tracks, chosen)
    return np.flatnonzero(~validates), np.flatnonzero(validates)


@instead_of("split")
def rows_repeated(labels, tracks, fraction, seed):
    """Some pictures come several times on one side: they would count more than others.

    Go through the tracks, not through the track of every picture; or use np.isin.
    """
    sides = answer.split(labels, tracks, fraction, seed)
    return tuple(np.flatnonzero(np.isin(tracks, tracks[side])).repeat(2) for side in sides)


@instead_of("split")
def always_the_same(labels, tracks, fraction, seed):
    """The split is the same whatever the seed.

    Draw with np.random.default_rng(seed).
    """
    return answer.split(labels, tracks, fraction, 0)


@instead_of("split")
def another_every_time(labels, tracks, fraction, seed):
    """The same seed makes another split every time: nobody could repeat your figures.

    Draw with np.random.default_rng(seed), not with np.random itself.
    """
    return answer.split(labels, tracks, fraction, None)


@instead_of("split")
def masks(labels, tracks, fraction, seed):
    """These are True and False for every picture, not the rows of the pictures.

    np.flatnonzero(mask) gives the rows where a mask is True.
    """
    return tuple(
        np.isin(np.arange(len(labels)), side)
        for side in answer.split(labels, tracks, fraction, seed)
    )


@instead_of("split")
def on_both_sides(labels, tracks, fraction, seed):
    """Some pictures are on both sides: they train, and validate as well.

    What validates must not train: ~validates in place of all.
    """
    return np.arange(len(labels)), answer.split(labels, tracks, fraction, seed)[1]


@instead_of("split")
def one_frame_a_track(labels, tracks, fraction, seed):
    """Some pictures are on neither side.

    After the tracks are chosen, take all pictures of each: np.isin(tracks, chosen).
    """
    first = np.unique(tracks, return_index=True)[1]
    return tuple(
        np.intersect1d(side, first) for side in answer.split(labels, tracks, fraction, seed)
    )
