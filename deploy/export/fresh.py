"""Lets one exported file answer, in a process of its own that knows nothing of this repository.

    python -IB fresh.py FOLDER FILE PICTURES.npz ANSWERS.npz

It has only what a user has: the export's folder, with `use.py` in it, and the file's runtime.
"""

import sys
import time
from pathlib import Path

import numpy as np


def main(folder, file, pictures, answers):
    sys.path.insert(0, folder)
    import use

    begin = time.perf_counter()
    classify = use.load(Path(folder, file))
    loading = time.perf_counter() - begin
    found, seconds = {}, []
    with np.load(pictures) as archive:
        for name in archive.files:
            picture = archive[name]
            begin = time.perf_counter()
            answer = classify(picture)
            seconds.append(time.perf_counter() - begin)
            for kind in ("probabilities", "strangeness"):
                if kind in answer:
                    found.setdefault(kind, []).append(answer[kind])
    np.savez(answers, loading=loading, seconds=seconds, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
