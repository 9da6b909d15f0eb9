"""What is measured of which method is best when: methods, tasks, how much of it."""

from dataclasses import dataclass
from pathlib import Path

METHODS = ON_TOP, BELOW, FINE_TUNING, SCRATCH = (
    "head on fc7", "head below", "fine-tuning", "from scratch",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """What a network knows, what it is to learn, and the winner that the course expects.

    tracks: of a class that train, at most; None is all of them.
    """

    source: str
    target: str
    tracks: int | None
    expected: str

    @property
    def amount(self):
        return str(self.tracks or "all")

    def __str__(self):
        return f"{self.source} -> {self.target}, tracks of a class: {self.amount}"


# Little and near: the top knows it already. Little and far: what is below it is less special. Much:
# all layers can learn (cs231n, "When and how to fine-tune?").
TASKS = [
    Task("signs", "other signs", 2, ON_TOP),
    Task("signs", "other signs", None, FINE_TUNING),
    Task("signs", "digits", 5, BELOW),
    Task("signs", "digits", None, FINE_TUNING),
    Task("ImageNet", "signs", 1, BELOW),
    Task("ImageNet", "signs", 2, BELOW),
    Task("ImageNet", "signs", 5, BELOW),
    Task("ImageNet", "signs", None, FINE_TUNING),
]


@dataclass(frozen=True)
class Plan:
    """How much is trained: files (None: stand-ins), epochs, and the pictures of one at least."""

    weights: Path | None
    data: Path | None
    epochs: int
    pictures: int
    tasks: tuple
    seeds: int

    def rows(self):
        """Task, method and seed of every row, in the order they are measured."""
        return [
            (task, method, seed)
            for seed in range(self.seeds)
            for task in self.tasks
            for method in METHODS
        ]
