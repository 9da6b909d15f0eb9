"""A record of a run, to be changed by the tests that need one."""

import copy

# fmt: off
RECORD = {
    "command": "python train_feature_extraction.py --data mine",
    "arguments": {"epochs": 2, "data": "mine", "cache": True, "limit": None, "learning_rate": 1e-3},
    "started": "2026-01-02T03:04:05+00:00",
    "versions": {"tensorflow": "2.21.0"},
    "device": "CPU",
    "method": "feature extraction",
    "network": "alexnet",
    "layer": "conv4",
    "preprocess": "course",
    "precision": "bfloat16",
    "hidden": 256,
    "seed": 7,
    "names": ["stop", "yield"],
    "weights": {"path": "bvlc-alexnet.npy", "sha256": "ab" * 32},
    "data": {"path": "mine", "sha256": "cd" * 32, "pictures": 15, "tracks": 5},
    "split": {"kind": "track", "by": "copies", "train": 10, "validation": 5},
    "temperature": 1.5,
    "seconds": 12.5,
    "metrics": {
        "train": {"loss": 0.1, "accuracy": 1},
        "validation": {
            "count": 5, "loss": 0.5, "accuracy": 0.8, "interval": [0.75, 0.85],
            "resampled": "tracks", "macro_f1": 0.7, "ece": 0.1, "top5": 1.0,
            "strange": 0.06,
        },
    },
    "best_epoch": 2,
}
# fmt: on
GONE = object()


def changed(values, field, value):
    """A copy of `values` with another value, or none, in a field named as in messages."""
    values = copy.deepcopy(values)
    *way, last = [int(key) if key.isdigit() else key for key in field.split(".")]
    place = values
    for key in way:
        place = place[key]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return values
