"""Where the lab keeps what it need not compute again: features, and what suits this machine."""

import os
from pathlib import Path

FOLDER = ".cache/features"


def path():
    """The folder that ALEXNET_LAB_CACHE names, or FOLDER; it need not be there."""
    return Path(os.environ.get("ALEXNET_LAB_CACHE") or FOLDER)
