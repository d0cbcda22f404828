"""Draw labelled scenes of handwritten digits over photographs.

Digits: scikit-learn's bundled copy of the UCI optical recognition set (1,797 samples of
8×8 pixels). Photographs: its two bundled sample images. Nothing is downloaded.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

CLASSES = ('background', *(f'digit {n}' for n in range(10)))
PALETTE = [[0, 0, 0]] + [
    [round(255 * c) for c in colorsys.hsv_to_rgb(n / 10, 0.75 if n % 2 else 1.0, 1.0)]
    for n in range(10)
]
VAL_SHARE = 0.3


@dataclass(frozen=True)
class Material:
    """What one split draws from: its own digit samples and photograph regions.

    Attributes:
        glyphs: (n, 8, 8) opacities in [0, 1].
        labels: (n,) digits 0-9.
        photos: RGB regions (h, w, 3), uint8.
    """

    glyphs: np.ndarray
    labels: np.ndarray
    photos: list[np.ndarray]


def load_material(seed: int) -> dict[str, Material]:
    """Split digits and photographs into 'train' and 'val', which share nothing.

    Of each class ``VAL_SHARE`` of the samples, picked by ``seed``, go to val, and so does the
    right part of each photograph.
    """
    digits = load_digits()
    glyphs = (digits.images / 16).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(glyphs))
    is_val = np.zeros(len(glyphs), bool)
    for digit in range(10):
        members = order[digits.target[order] == digit]
        is_val[members[: round(VAL_SHARE * len(members))]] = True
    photos = load_sample_images().images
    cuts = [round((1 - VAL_SHARE) * photo.shape[1]) for photo in photos]
    left = [photo[:, :cut] for photo, cut in zip(photos, cuts)]
    right = [photo[:, cut:] for photo, cut in zip(photos, cuts)]
    return {
        'train': Material(glyphs[~is_val], digits.target[~is_val], left),
        'val': Material(glyphs[is_val], digits.target[is_val], right),
    }


def _background(
    material: Material, size: int, rng: np.random.Generator, dark: float, bright: float
) -> np.ndarray:
    """Cut a square of 1-2.5 times ``size`` from a photograph, resize and dim it."""
    photo = material.photos[rng.integers(len(material.photos))]
    side = int(size * rng.uniform(1, 2.5))
    top = rng.integers(photo.shape[0] - side + 1)
    left = rng.integers(photo.shape[1] - side + 1)
    cut = Image.fromarray(photo[top : top + side, left : left + side])
    patch = np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR), np.float32)
    return patch * rng.uniform(dark, bright)


def _opacity(glyph: np.ndarray, side: int) -> np.ndarray:
    """Scale an 8×8 glyph to side×side and steepen its edge."""
    scaled = Image.fromarray(glyph).resize((side, side), Image.Resampling.BICUBIC)
    return np.clip(1.6 * np.asarray(scaled) - 0.2, 0, 1)


def _covered(labels: np.ndarray, top: int, left: int, side: int) -> int:
    return int(np.count_nonzero(labels[top : top + side, left : left + side]))


def draw_scene(
    material: Material, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw 2-5 digits, scaled, coloured, overlapping and noisy, over a dimmed photograph.

    Of four random places a digit takes the emptiest, so that most stay readable.

    Returns:
        The image (size, size, 3) and its labels (size, size), uint8; 0 is background and
        d + 1 digit d. A pixel belongs to the topmost digit that covers at least half of it.
    """
    image = _background(material, size, rng, 0.15, 0.4)
    labels = np.zeros((size, size), np.uint8)
    for _ in range(rng.choice([2, 3, 4, 5], p=[0.35, 0.35, 0.2, 0.1])):
        pick = rng.integers(len(material.glyphs))
        side = int(rng.integers(size * 3 // 8, size * 9 // 16 + 1))
        places = rng.integers(0, size - side + 1, (4, 2))
        top, left = min(places, key=lambda p: _covered(labels, p[0], p[1], side))
        alpha = _paste(image, _opacity(material.glyphs[pick], side), top, left, rng)
        labels[top : top + side, left : left + side][alpha >= 0.5] = material.labels[pick] + 1
    image += rng.normal(0, 8, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), labels


def _paste(
    image: np.ndarray, alpha: np.ndarray, top: int, left: int, rng: np.random.Generator
) -> np.ndarray:
    """Paint a random colour with opacity ``alpha``; return the part of it inside the image."""
    hue, saturation, value = rng.uniform(0, 1), rng.uniform(0, 0.8), rng.uniform(0.75, 1)
    colour = 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)
    window = image[max(0, top) : top + len(alpha), max(0, left) : left + len(alpha)]
    alpha = alpha[max(0, -top) :, max(0, -left) :][: window.shape[0], : window.shape[1]]
    window += alpha[..., None] * (colour - window)
    return alpha


def draw_single(material: Material, pick: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw digit sample ``pick`` over a photograph, with parts of three others at the border.

    The digit that counts is on top and wholly inside; the others' centres are on a circle of
    0.62 times ``size`` around the image's. Returns the image (size, size, 3), uint8.
    """
    image = _background(material, size, rng, 0.3, 0.7)
    for _ in range(3):
        side = int(rng.integers(size // 2, size * 3 // 4))
        angle = rng.uniform(0, 2 * np.pi)
        across, down = size * (0.5 + 0.62 * np.array([np.cos(angle), np.sin(angle)])) - side / 2
        other = material.glyphs[rng.integers(len(material.glyphs))]
        _paste(image, _opacity(other, side), int(down), int(across), rng)
    side = int(rng.integers(size * 9 // 16, size * 13 // 16 + 1))
    top, left = (int(n) for n in rng.integers(0, size - side + 1, 2))
    strength = rng.uniform(0.7, 1)
    _paste(image, strength * _opacity(material.glyphs[pick], side), top, left, rng)
    image += rng.normal(0, 16, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)
