"""Exercise 5: a split that does not lie.

30 minutes, medium, 8 lines to write. Belongs to chapter 4 of the guide.

The signs of `train.p` were filmed: thirty frames of one sign, from ever nearer, are a *track*. When
some frames of a track train and others validate, accuracy says how well signs were remembered, not
how well new ones are told. Write

`leak`   how many validation pictures have such a twin among the training pictures,
`split`  a split without any: whole tracks train, whole tracks validate.

How yours stands:          make exercises ONLY=honest_split
A hint, and a larger one:  make exercises ONLY=honest_split HINT=1, then HINT=2
"""

import numpy as np


def leak(tracks, training, validation):
    """The share, 0 to 1, of the validation pictures of whose track another picture trains.

    tracks: [n], the track of each picture. training, validation: rows, whole numbers below n.
    """
    # Your code, about 1 line.
    raise NotImplementedError


def split(labels, tracks, fraction, seed):
    """(training rows, validation rows): all pictures of a track on one side, by chance.

    labels, tracks: [n]. A track has one label. Of the tracks of each class the share `fraction`
    validates: rounded, but one at least, and one is always left to train; the one track of a class
    that has no other trains. The same seed makes the same split, another seed another.
    """
    # Your code, about 7 lines.
    raise NotImplementedError
