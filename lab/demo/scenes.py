"""A drawn thing in the world: warped, set before a background, lit, blurred, covered with noise."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Two colours each, above and below, RGB 0 to 1.
BACKGROUNDS = np.array(
    [
        [(0.45, 0.65, 0.95), (0.85, 0.90, 0.98)],  # clear sky
        [(0.95, 0.95, 0.95), (0.70, 0.72, 0.75)],  # clouds
        [(0.10, 0.16, 0.06), (0.35, 0.42, 0.18)],  # foliage
        [(0.25, 0.20, 0.12), (0.08, 0.08, 0.06)],  # trunks
        [(0.70, 0.62, 0.50), (0.55, 0.45, 0.38)],  # wall
        [(0.75, 0.82, 0.92), (0.20, 0.26, 0.12)],  # sky over trees
        [(0.50, 0.50, 0.52), (0.30, 0.30, 0.32)],  # street
    ]
)


def outdoors(pixels, rng):
    """A place outdoors: RGB, square; a gradient, leaves or clouds, clutter."""
    above, below = rng.choice(BACKGROUNDS)
    height = np.linspace(-1, 1, pixels)[:, None, None] * rng.uniform(1, 5) + rng.normal()
    scene = above + (below - above) / (1 + np.exp(-3 * height))
    for cells in (4, 10, 24):  # coarse to fine
        noise = Image.fromarray(rng.normal(0, 0.1, (cells, cells)).astype(np.float32))
        scene = scene + np.array(noise.resize((pixels, pixels)))[..., None]
    image = Image.fromarray(to_bytes(scene))
    for _ in range(rng.integers(0, 7)):  # branches, edges of houses, other signs
        corners = rng.uniform(-0.2, 1.2, 4) * pixels
        colour = tuple(rng.integers(0, 256) + rng.integers(-30, 30, 3))
        ImageDraw.Draw(image).line(list(corners), colour, int(pixels * rng.uniform(0.01, 0.15)))
    return image


def add_post(image, rng):
    """What a sign stands on: grey, from the middle down."""
    post = np.array([0.47, 0.5, 0.53, 1]) * image.width
    ImageDraw.Draw(image).rectangle(list(post), (int(rng.integers(60, 150)),) * 3)


def to_bytes(image):
    """Brightness 0 to 1 to uint8, the rest clipped."""
    return np.uint8(np.clip(image, 0, 1) * 255)


def pose(rng, spread):
    """A random view of a plane as a projective map [3, 3]; `spread` 0 sees it from the front."""
    turn, shear, x, y, lean, nod, growth, stretch = spread * rng.normal(0, 0.05, 8)
    moved = np.array([[1, -turn, x], [turn, 1, y], [0, 0, 1]])
    tilted = np.array([[1, shear, 0], [0, 1, 0], [lean, nod, 1]])
    return moved @ tilted @ np.diag(np.exp([growth + stretch, growth, 0]))


def light(rng, stops=-0.5, spread=0.6):
    """A random light: a function that shows an image [n, n, 3], 0 to 1, in that light.

    stops, spread: of the exposure's logarithm.
    """
    exposure = min(np.exp(rng.normal(stops, spread)), 1.5)
    colour = np.exp(rng.normal(0, 0.08) * np.array([1, 0, -1]))  # warm or cold
    gamma, haze = np.exp(rng.normal(0, 0.25)), rng.uniform(0, 0.35) * rng.random()
    slope_x, slope_y = rng.normal(0, 0.25, 2)

    def lit(image):
        across = np.linspace(-1, 1, len(image))
        shade = np.exp(slope_x * across[None, :, None] + slope_y * across[:, None, None])
        return exposure * colour * ((1 - haze) * shade * image**gamma + haze)

    return lit


def film(art, frames, rng, size=32):
    """One thing filmed from ever nearer: uint8 [frames, size, size, 3] RGB.

    art: the thing alone, RGBA, transparent around it.

    Background, light and pose are shared; shake, sharpness and noise are each frame's own.
    """
    canvas = 3 * size
    place = outdoors(canvas + size // 2, rng)
    add_post(place, rng)
    lit, lasting = light(rng), pose(rng, 1) @ np.diag([0.8, 0.8, 1])
    noise = rng.uniform(0, 0.04)
    images = np.empty((frames, size, size, 3), np.uint8)
    for image, resolution in zip(images, np.sort(rng.uniform(0.45, 1.5, frames)), strict=True):
        left, top = rng.integers(0, size // 2 + 1, 2)
        scene = place.crop((left, top, left + canvas, top + canvas))
        plate = project(art, pose(rng, 0.2) @ lasting, canvas)
        scene.paste(plate, mask=plate)
        scene = scene.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.03) * canvas))
        seen = lit(np.array(scene.resize([int(resolution * size)] * 2)) / 255)
        photo = Image.fromarray(to_bytes(seen + rng.normal(0, noise, seen.shape)))
        image[:] = photo.resize((size, size))
    return images


def project(art, matrix, pixels):
    """`art` moved by `matrix` on a transparent square; both squares reach from -1 to 1."""
    to_art, to_canvas = (
        np.array([[n / 2, 0, n / 2], [0, n / 2, n / 2], [0, 0, 1]]) for n in (art.width, pixels)
    )
    back = to_art @ np.linalg.inv(to_canvas @ matrix)  # Pillow asks where each pixel comes from
    coefficients = (back / back[2, 2]).ravel()[:8]
    how = Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
    return art.transform((pixels, pixels), *how)
