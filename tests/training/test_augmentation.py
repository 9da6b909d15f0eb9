"""Augmented pictures: each change against an independent oracle, its range, and its seed."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from lab.data import mirrors
from lab.data.dataset import sign_names
from lab.demo.signs import sign
from lab.training.augmentation import CHOICES, DRAWS, Crop, Light, Pose, draws, of, sheet

NAMES = sign_names()
LABELS = np.arange(43)
SIGNS, PHOTOS = of("signs", NAMES), of("photos", NAMES)
FLIP, CONTRAST, BRIGHTNESS, ROTATION, SHEAR, SCALE, RIGHT, DOWN, FOCUS = range(DRAWS)
SHARE, ASPECT, CROP_RIGHT, CROP_DOWN = range(3, 7)
ROUNDED = 0.501  # of a grey level: a float32 result is rounded once


@pytest.fixture(scope="module")
def pictures():
    """A sign of each class, uint8 [43, 32, 32, 3]."""
    return np.stack([sign(label) for label in range(43)])


@pytest.fixture(scope="module")
def wide():
    """Noise that is no square, uint8 [3, 40, 61, 3]."""
    return np.random.default_rng(0).integers(0, 256, [3, 40, 61, 3], np.uint8)


def on(*columns):
    """1 for these columns of draws, 0 for the others."""
    return np.isin(np.arange(DRAWS), columns)


def changed(augment, images, draws):
    """The images after `augment` with the `draws` {column: number}, zeros elsewhere."""
    rows = np.zeros([len(images), DRAWS], np.float32)
    for column, number in draws.items():
        rows[:, column] = number
    return augment(images, LABELS[: len(images)], rows)[0].numpy()


def moved(images, matrix, shift=(0, 0)):
    """By SciPy: at each place p, (down, across) from the centre, what was at matrix @ p + shift."""
    centre = (np.array(images.shape[1:3]) - 1) / 2
    full = np.eye(4)
    full[1:3, 1:3] = matrix
    offset = [0, *(centre - np.array(matrix) @ centre + shift), 0]
    return ndimage.affine_transform(images.astype(float), full, offset, order=1, mode="nearest")


def assert_close(found, expected, levels=ROUNDED):
    np.testing.assert_allclose(found, np.clip(expected, 0, 255), atol=levels, rtol=0)


# ---- nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", CHOICES)
def test_without_draws_nothing_changes(choice, pictures, wide):
    for images in (pictures, wide):
        np.testing.assert_array_equal(changed(of(choice, NAMES), images, {}), images)


@pytest.mark.parametrize(
    "augment",
    [
        CHOICES["signs"](["a class"] * 43, Light(1, 0), Pose(0, 0, 0, 0, 0)),
        CHOICES["none"](NAMES),
    ],
)
def test_without_ranges_nothing_changes(augment, pictures):
    images, labels = augment(pictures, LABELS, draws(43, 0, 0))
    np.testing.assert_array_equal(images, pictures)
    np.testing.assert_array_equal(labels, LABELS)


def test_without_ranges_photos_are_mirrored_at_most(pictures):
    rows = draws(43, 0, 0)
    images, _ = CHOICES["photos"](NAMES, Light(1, 0), Crop(1, 1))(pictures, LABELS, rows)
    flips = rows[:, FLIP].numpy() > 0
    assert 5 < flips.sum() < 38
    np.testing.assert_array_equal(
        images, np.where(flips[:, None, None, None], pictures[:, :, ::-1], pictures)
    )


# ---- light --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("augment", "light"), [(SIGNS, Light(1.5, 50)), (PHOTOS, Light(1.2, 25))])
@pytest.mark.parametrize(
    ("contrast", "brightness"), [(1, 0), (-1, 0), (0, 1), (0, -1), (0.5, -0.3)]
)
def test_light_is_stretched_about_the_mean_and_shifted(
    augment, light, contrast, brightness, pictures
):
    mean = pictures.mean(axis=(1, 2, 3), keepdims=True)
    shift = np.clip(light.brightness * brightness, -mean / 2, (255 - mean) / 2)
    expected = (pictures - mean) * light.contrast**contrast + mean + shift
    found = changed(augment, pictures, {CONTRAST: contrast, BRIGHTNESS: brightness})
    assert_close(found, expected)


def test_contrast_and_brightness_of_signs_fill_their_ranges():
    images = np.full([2000, 4, 4, 3], 108, np.uint8)
    images[:, :2] = 148
    found = SIGNS(images, np.zeros(2000, int), draws(2000, 0, 0).numpy() * on(CONTRAST))[0].numpy()
    ratio = np.ptp(found, axis=(1, 2, 3)) / 40
    assert (ratio.min(), ratio.max()) == pytest.approx((1 / 1.5, 1.5), abs=0.02)
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    found = SIGNS(images, np.zeros(2000, int), draws(2000, 0, 0).numpy() * on(BRIGHTNESS))[
        0
    ].numpy()
    shift = (found - images).mean(axis=(1, 2, 3))
    assert (shift.min(), shift.max()) == pytest.approx((-50, 50), abs=1)


def test_the_hue_stays():
    images = np.full([500, 4, 4, 3], [120, 80, 60], np.uint8)
    red, green, blue = np.moveaxis(SIGNS(images, np.zeros(500, int), draws(500, 0, 0))[0], 3, 0)
    np.testing.assert_allclose((red - blue) * 2 / 3, red - green, atol=1)


def test_dark_signs_do_not_vanish(pictures):
    dark = pictures // 16
    found = changed(SIGNS, dark, {BRIGHTNESS: -1})
    assert np.all(found.std(axis=(1, 2, 3)) > 0.6 * dark.std(axis=(1, 2, 3)))


# ---- place --------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [1, -1, 0.3])
def test_rotation_is_up_to_15_degrees(share, pictures, wide):
    for images in (pictures, wide):
        expected = ndimage.rotate(
            images.astype(float), 15 * share, (2, 1), reshape=False, order=1, mode="nearest"
        )
        assert_close(changed(SIGNS, images, {ROTATION: share}), expected)


@pytest.mark.parametrize("share", [1, -1, 0.3])
def test_shear_is_up_to_5_degrees(share, pictures):
    matrix = [[1, 0], [np.tan(np.radians(5 * share)), 1]]
    assert_close(changed(SIGNS, pictures, {SHEAR: share}), moved(pictures, matrix))


@pytest.mark.parametrize("share", [1, -1, 0.3])
def test_scale_is_up_to_a_tenth(share, pictures, wide):
    for images in (pictures, wide):
        expected = moved(images, np.eye(2) / (1 + 0.1 * share))
        assert_close(changed(SIGNS, images, {SCALE: share}), expected)


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, -1), (-0.4, 0.7)])
def test_shift_is_up_to_2_pixels_of_32(right, down, pictures, wide):
    for images in (pictures, wide):
        height, width = images.shape[1:3]
        shift = [0, -down * height / 16, -right * width / 16, 0]
        expected = ndimage.shift(images.astype(float), shift, order=1, mode="nearest")
        assert_close(changed(SIGNS, images, {RIGHT: right, DOWN: down}), expected)


def test_all_of_a_pose_together_are_one_warp(wide):
    angle, slope, scale = np.radians(15 * 0.8), np.tan(np.radians(5 * -0.6)), 1 + 0.1 * -0.9
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    mirror, shear = np.diag([1, -1]), np.array([[1, 0], [slope, 1]])
    expected = moved(wide, mirror @ shear @ turn / scale, [0.5 * 40 / 16, 0.2 * 61 / 16])
    augment = of("signs", [NAMES[12]] * 3)
    pose = {FLIP: 1, ROTATION: 0.8, SHEAR: -0.6, SCALE: -0.9, RIGHT: 0.2, DOWN: 0.5}
    assert_close(changed(augment, wide, pose), expected)


@pytest.mark.parametrize("share", [1, -1, 0.5])
def test_blur_has_a_deviation_of_up_to_seven_tenths_of_a_pixel(share, pictures):
    deviation = 0.7 * abs(share)
    expected = pictures.astype(float)
    taps = [deviation**2 / 2, 1 - deviation**2, deviation**2 / 2]
    for axis in (1, 2):
        expected = ndimage.convolve1d(expected, taps, axis, mode="nearest")
    assert_close(changed(SIGNS, pictures, {FOCUS: share}), expected)


@pytest.mark.parametrize(
    ("share", "aspect", "right", "down"), [(1, 0, 0, 0), (-0.5, 1, 1, -1), (0.9, -0.7, -0.3, 0.6)]
)
def test_a_crop_is_what_pillow_cuts_out_and_enlarges(share, aspect, right, down, wide):
    area, stretch = 1 - 0.5 * abs(share), (4 / 3) ** aspect
    width, height = min(np.sqrt(area * stretch), 1) * 61, min(np.sqrt(area / stretch), 1) * 40
    left, top = (61 - width) * (1 + right) / 2, (40 - height) * (1 + down) / 2
    box = (left, top, left + width, top + height)
    expected = [Image.fromarray(p).resize((61, 40), Image.Resampling.BILINEAR, box) for p in wide]
    draws = {SHARE: share, ASPECT: aspect, CROP_RIGHT: right, CROP_DOWN: down}
    assert_close(changed(PHOTOS, wide, draws), np.stack(expected), levels=1)
    mirrored = changed(PHOTOS, wide, draws | {FLIP: 1})
    assert_close(mirrored, np.stack(expected)[:, :, ::-1], levels=1)


def test_crops_lie_within_the_picture():
    """Of a picture that tells the place of each pixel, no corner of a crop repeats an edge."""
    down, across = np.meshgrid(np.arange(200), np.arange(200), indexing="ij")
    images = np.stack([across, down, 0 * down], -1)[np.newaxis].repeat(300, 0)
    rows = draws(300, 0, 0).numpy() * on(SHARE, ASPECT, CROP_RIGHT, CROP_DOWN)
    found = PHOTOS(images, np.zeros(300, int), rows)[0].numpy()
    width, height = (
        np.ptp(found[..., 0], axis=(1, 2)) / 199,
        np.ptp(found[..., 1], axis=(1, 2)) / 199,
    )
    assert np.all((width * height > 0.48) & (width * height <= 1))
    assert np.all((width / height > 0.74) & (width / height < 1.36))
    assert (width * height).min() < 0.55
    assert np.all(np.diff(found[:, 0, :, 0]) >= 0)


# ---- mirrors and labels -------------------------------------------------------------------------


def test_signs_are_mirrored_by_the_table_or_not_at_all(pictures):
    flip = np.zeros([43, DRAWS], np.float32)
    flip[:, FLIP] = 1
    images, labels = SIGNS(pictures, LABELS, flip)
    for label, partner in enumerate(mirrors.labels(NAMES)):
        expected = pictures[label] if partner < 0 else pictures[label][:, ::-1]
        assert labels[label] == (label if partner < 0 else partner)
        np.testing.assert_array_equal(images[label], expected)


def test_a_sign_that_is_not_mirrored_keeps_its_label(pictures):
    rows = draws(43, 0, 0).numpy()
    rows[:, FLIP] = -np.abs(rows[:, FLIP])
    np.testing.assert_array_equal(SIGNS(pictures, LABELS, rows)[1], LABELS)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_half_of_the_signs_that_may_be_mirrored_are(dtype):
    labels = np.repeat([19, 12, 14], 1000).astype(dtype)
    images = np.tile(np.arange(4, dtype=np.uint8)[:, np.newaxis] * 20, [3000, 4, 1, 3])
    images, new = SIGNS(images, labels, draws(3000, 0, 0).numpy() * on(FLIP))
    mirrored = images[:, 0, 0, 0].numpy() > images[:, 0, 3, 0].numpy()
    assert new.dtype == dtype
    assert 450 < mirrored[:1000].sum() < 550
    np.testing.assert_array_equal(new[:1000], np.where(mirrored[:1000], 20, 19))
    assert 450 < mirrored[1000:2000].sum() < 550
    assert not mirrored[2000:].any()
    np.testing.assert_array_equal(new[1000:], labels[1000:])


def test_photos_of_all_classes_are_mirrored_and_keep_their_labels(pictures):
    flip = np.zeros([43, DRAWS], np.float32)
    flip[:, FLIP] = 1
    images, labels = PHOTOS(pictures, LABELS, flip)
    np.testing.assert_array_equal(images, pictures[:, :, ::-1])
    np.testing.assert_array_equal(labels, LABELS)


# ---- chance -------------------------------------------------------------------------------------


def test_draws_lie_between_minus_one_and_one_and_depend_on_seed_and_epoch():
    first = draws(1000, seed=3, epoch=4).numpy()
    assert first.shape == (1000, DRAWS)
    assert -1 <= first.min() < -0.99 < 0.99 < first.max() < 1
    assert np.abs(np.corrcoef(first.T) - np.eye(DRAWS)).max() < 0.15
    np.testing.assert_array_equal(first, draws(1000, tf.constant(3), tf.constant(4, tf.int64)))
    for seed, epoch in [(3, 5), (4, 4), (4, 3)]:
        assert np.abs(first - draws(1000, seed, epoch)).mean() > 0.5


@pytest.mark.parametrize("augment", [SIGNS, PHOTOS])
def test_a_picture_looks_the_same_in_any_batch(augment, pictures):
    rows = draws(43, 0, 0).numpy()
    together, labels = augment(pictures, LABELS, rows)
    for chosen in ([7], [40, 3, 25]):
        images, some = augment(pictures[chosen], LABELS[chosen], rows[chosen])
        np.testing.assert_array_equal(images, together.numpy()[chosen])
        np.testing.assert_array_equal(some, labels.numpy()[chosen])


@pytest.mark.parametrize("augment", [SIGNS, PHOTOS])
def test_pictures_are_whole_numbers_whatever_numbers_come_in(augment, pictures):
    rows = draws(43, 0, 1)
    images = augment(pictures, LABELS, rows)[0].numpy()
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, images.astype(np.uint8))
    assert np.abs(images - pictures).mean() > 5
    np.testing.assert_array_equal(augment(pictures.astype(np.float32), LABELS, rows)[0], images)


def test_a_map_of_tf_data_makes_the_same_pictures(pictures):
    rows = draws(43, 0, 0)
    batches = tf.data.Dataset.from_tensor_slices((pictures, LABELS, rows)).batch(30).map(SIGNS)
    images, labels = (
        np.concatenate(parts) for parts in zip(*batches.as_numpy_iterator(), strict=True)
    )
    expected = SIGNS(pictures, LABELS, rows)
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(labels, expected[1])


def test_a_sheet_shows_each_picture_and_what_epochs_make_of_it(pictures):
    shown = sheet(pictures[:4], LABELS[:4], SIGNS, columns=3, seed=5)
    assert shown.shape == (4 * 32, 4 * 32, 3)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown[32:64, :32], pictures[1])
    expected = SIGNS(pictures[:4], LABELS[:4], draws(4, 5, 2))[0].numpy()
    np.testing.assert_array_equal(shown[:32, 96:], expected[0])
