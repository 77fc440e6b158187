"""napari shows lazy movies without reading them whole."""

from __future__ import annotations

import numpy as np
import pytest
from example_values import make_components
from napari.components import ViewerModel

from napari_cnmf.movie.display import FrameCache, sampled_limits
from napari_cnmf.movie.lazy import LazyFrames
from napari_cnmf.reconstruction import ColourReconstruction, Reconstruction

FRAMES = np.random.default_rng(0).integers(0, 99, (400, 32, 48)).astype(np.uint16)


class CountingFrames(LazyFrames):
    """Frames that know how many of them were read."""

    shape, dtype, n_read = FRAMES.shape, FRAMES.dtype, 0

    def read(self, frames, rows=slice(None), cols=slice(None)):
        block = FRAMES[frames, rows, cols]
        self.n_read += len(block)
        return block


@pytest.mark.parametrize("limits", [None, (0, 99)], ids=["napari's", "ours"])
def test_a_layer_reads_the_frames_it_shows(limits):
    frames, model = CountingFrames(), ViewerModel()
    layer = model.add_image(frames, contrast_limits=limits)
    for t in (0, 17, 399):
        model.dims.set_current_step(0, t)
        assert layer.data is frames
    assert frames.n_read < 20


def test_a_cache_is_an_image_of_its_frames(monkeypatch):
    monkeypatch.setattr("napari_cnmf.movie.display.CHUNK_BYTES", 5 * FRAMES[0].nbytes)
    frames = CountingFrames()
    cache, model = FrameCache(frames), ViewerModel()
    layer = model.add_image(cache, contrast_limits=sampled_limits(frames))
    model.dims.set_current_step(0, 200)
    assert layer.get_value((200, 5, 7)) == FRAMES[200, 5, 7]
    cache.close()
    assert frames.n_read < 40


def test_other_orders_of_the_axes_are_shown():
    frames, model = CountingFrames(), ViewerModel()
    layer = model.add_image(frames, contrast_limits=(0, 99))
    model.dims.order = (1, 0, 2)
    model.dims.set_current_step(1, 9)
    assert layer.get_value((31, 9, 5)) == FRAMES[31, 9, 5]


def test_reconstructions_are_images():
    components = make_components(field_shape=(40, 50))
    model = ViewerModel()
    grey = model.add_image(Reconstruction(components))
    colour = model.add_image(ColourReconstruction(components, limits=(0, 9)))
    assert (grey.rgb, colour.rgb) == (False, True)
    assert grey.ndim == colour.ndim == 3
