"""What the German traffic signs become in a mirror that swaps left and right."""

import numpy as np

from lab.data.dataset import as_signs, sign_names

# By ClassId, the row in signnames.csv.
UNCHANGED = (11, 12, 13, 15, 17, 18, 22, 26, 30, 35)
PARTNERS = ((19, 20), (33, 34), (36, 37), (38, 39))
# All others may not be mirrored. Digits, letters, stripes, vehicles and the turning of a roundabout
# (0-10, 14, 16, 23, 32, 40-42) are never seen so on a road. 21 and 24 become signs that are none of
# the 43. People, animals and bicycles (25, 27-29, 31) do stand mirrored in some places, but never
# in this set, so that the network would learn what nobody asks.


def labels(names):
    """The label that a picture of each class has when mirrored, or -1: int64, one for each name.

    names: of the classes, by label; any of the signs, or their ClassIds, in any order. Classes of
    another name may not be mirrored, nor may a sign whose partner is missing.
    """
    names = as_signs(names) or names
    place = {name: label for label, name in enumerate(names)}
    partner = _partners()
    return np.array([place.get(partner.get(name), -1) for name in names], np.int64)


def _partners():
    """Name of a sign -> name of its mirrored picture; no entry for what may not be mirrored."""
    pairs = [*zip(UNCHANGED, UNCHANGED, strict=True), *PARTNERS]
    signs = sign_names()
    return {signs[a]: signs[b] for one, other in pairs for a, b in ((one, other), (other, one))}
