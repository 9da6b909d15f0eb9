"""Pictures that the lab draws itself: frames of one sign, who trains and who judges, flowers."""

import numpy as np

from guide.drawings.canvas import BLUE, EDGE, LINE, ORANGE, WIDTH, card
from lab.data import splits
from lab.data.dataset import sign_names
from lab.demo import signs
from lab.demo.flowers import KINDS, flower
from lab.training import augmentation

STOP, THIRTY, SIXTY, BICYCLES, DEER, RIGHT = 14, 1, 3, 29, 31, 33
FRAMES = 30  # of a track, as in the real set
SPLIT_SIGNS = [STOP, STOP, THIRTY, THIRTY, DEER, DEER]  # the label of each track
SHARE = 1 / 3  # validates


def one_track(path):
    """One sign as a car that comes nearer films it."""
    frames = signs.track(STOP, FRAMES, np.random.default_rng(33))
    columns, side = 6, (WIDTH - 2 * EDGE + 4) / 6
    title = f"One track: a single sign, filmed {FRAMES} times as the car drives up"
    with card(path, 116 + side * FRAMES / columns, title) as page:
        y = page.top + 8
        for number, frame in enumerate(frames):
            row, column = divmod(number, columns)
            page.image(EDGE + side * column, y + side * row, side - 4, frame)
        y += side * FRAMES / columns + 14
        page.text(EDGE, y, "Row by row. Who knows one knows them all.")


def split_random(path):
    title = "At random: every sign on both sides"
    words = "What validates has siblings among\nwhat trains: remembering is enough."
    _split(path, title, words, by_track=False)


def split_track(path):
    title = "By track: each sign on one side only"
    words = "What validates has never been seen:\nthe number can be believed."
    _split(path, title, words, by_track=True)


def _split(path, title, words, by_track):
    """Tracks, a row each, in the colours of the sides that the lab's own split puts them on."""
    rng, frames = np.random.default_rng(12), signs.FRAMES
    tracks = np.repeat(np.arange(len(SPLIT_SIGNS)), frames)
    labels = np.repeat(SPLIT_SIGNS, frames)
    _, validation = splits.split(labels, tracks if by_track else None, SHARE, seed=19)
    side, left = 56, 84
    with card(path, 484, title) as page:
        top = page.top + 8
        for row, label in enumerate(SPLIT_SIGNS):
            page.text(EDGE, top + 60 * row + side / 2, f"sign {row + 1}")
            for column, frame in enumerate(signs.track(label, frames, rng)):
                judges = row * frames + column in validation
                frame_color = ORANGE if judges else BLUE
                place = left + 61 * column, top + 60 * row + 2
                page.image(*place, side - 2, frame, frame_color, thick=4)
        y = top + 60 * len(SPLIT_SIGNS) + 14
        for x, color, side_name in [(EDGE, BLUE, "trains"), (110, ORANGE, "validates")]:
            page.box(x, y - 7, 14, 14, color, fill=color)
            page.text(x + 22, y, side_name)
        page.text(EDGE, y + 32, words)


def augmented(path):
    """Signs as they are, and as five epochs see them."""
    labels = np.array([STOP, THIRTY, BICYCLES, RIGHT, SIXTY])
    pictures = np.stack([signs.sign(label, seed=0) for label in labels])
    sheet = augmentation.sheet(pictures, labels, augmentation.of("signs", sign_names()), columns=5)
    side = pictures.shape[1]
    title = "The same signs as they are, and as five epochs see them"
    with card(path, 432, title) as page:
        y = page.top + 26
        page.text(EDGE, y - 10, "as it is", weight="bold")
        page.text(EDGE + 74, y - 10, "epoch 1, 2, 3, 4, 5")
        for row in range(len(labels)):
            for column in range(6):
                cut = sheet[row * side : (row + 1) * side, column * side : (column + 1) * side]
                x = EDGE + 61 * column + (8 if column else 0)
                page.image(x, y + 61 * row, 57, cut, LINE if column else ORANGE)
        y += 61 * len(labels) + 14
        page.text(EDGE, y, "A mirrored arrow is another sign, and is named so.")


def flowers(path):
    """The five kinds of flower that the demo of the second lab draws."""
    title = "Five kinds of flower, drawn by code: the demo of the second lab"
    with card(path, 482, title) as page:
        y = page.top + 8
        for row, name in enumerate(KINDS):
            page.text(EDGE, y + 80 * row + 38, name)
            for column in range(3):
                page.image(112 + 92 * column, y + 80 * row, 76, flower(row, seed=column + 6))
