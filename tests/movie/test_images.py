"""What the summary images tell of a registration."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_cnmf.movie.images import crispness


def test_a_blurred_image_is_less_crisp():
    image = np.random.default_rng(0).random((20, 31))
    assert crispness(gaussian_filter(image, 1)) < 0.5 * crispness(image)


def test_crispness_is_the_norm_of_the_gradient():
    slope = np.add.outer(3.0 * np.arange(4), 4.0 * np.arange(5))
    assert crispness(slope) == np.sqrt(4 * 5 * 25)
