"""Values become layers: every number stands where napari looks for it."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from widgets.many_cells import make_many

from napari_cnmf.cnmf.patches import patch_grid
from napari_cnmf.colours import cell_colour, rgb
from napari_cnmf.errors import InputError
from napari_cnmf.movie import Movie
from napari_cnmf.widgets.scene import layers
from napari_cnmf.widgets.scene.layers import Outlines, Place

PLACE = Place(20.0, (0.5, 0.8), (3.0, 10.0, 5.0))


@pytest.fixture(scope="module")
def components():
    return make_many(30, 20, (40, 60)).components


def test_a_place_goes_to_the_world_and_back():
    world = PLACE.to_world((4, 20, 7))
    assert np.allclose(world, (7 / 20, 15, 9.6))
    assert np.allclose(PLACE.to_data(world), (4, 20, 7))
    assert np.allclose(PLACE.to_data(world[1:]), (20, 7))


def test_napari_places_pixels_as_the_place_does():
    layer = Image(np.zeros((4, 5, 6)), **PLACE.movie)
    assert np.allclose(layer.data_to_world((1, 2, 3)), PLACE.to_world((1, 2, 3)))
    assert [str(unit) for unit in layer.units] == ["second", "micrometer", "micrometer"]


def test_without_rate_and_size_frames_and_pixels_are_counted():
    assert Place().movie["units"] == ("pixel", "pixel", "pixel")
    assert Place().movie["scale"] == (1, 1, 1)


def test_the_strongest_footprint_wins_a_pixel(components):
    image = layers.label_image(components)
    dense = components.footprints.toarray()
    expected = np.where(dense.any(axis=1), dense.argmax(axis=1) + 1, 0)
    ties = np.count_nonzero(dense == dense.max(axis=1, keepdims=True), axis=1) > 1
    assert np.array_equal(image.ravel()[~ties], expected[~ties])


def test_labels_have_the_colours_of_their_cells(components):
    colours = layers.label_colours().map(components.ids + 1)
    expected = [rgb(cell_colour(i)) for i in components.ids.tolist()]
    assert np.allclose(colours[:, :3], expected, atol=1 / 255)
    assert layers.label_colours().map(np.array([0]))[0, 3] == 0


def test_features_belong_to_the_label_of_their_row(components):
    data, about, _ = layers.footprints_layer(components, PLACE)
    layer = Labels(data, **about)
    table = layer.features.set_index("index")
    k = 7
    row = table.loc[int(components.ids[k]) + 1]
    assert row["id"] == components.ids[k]
    assert row["SNR"] == components.quality.snr[k]
    assert row["accepted"] == components.accepted[k]
    assert row["size_px"] == components.sizes_px[k]


def test_the_names_of_all_reasons_are_given():
    names = layers.reason_names(np.array([0, 1, 0b110], np.int32))
    assert names == ["", "low SNR", "low r value, small"]


def test_contours_are_parted_by_verdict_and_none_is_lost(components):
    outlines = Outlines.of(components)
    made = layers.contour_layers(outlines, components.accepted, PLACE)
    n_pieces = sum(len(data) for data, _, _ in made.values())
    assert n_pieces == len(outlines.pieces) > 30
    assert len(outlines.where(np.zeros(30, bool))) == 0
    assert np.array_equal(outlines.at([3]), outlines.pieces[outlines.owners == 3])


def test_the_contrast_of_an_image_leaves_out_single_bright_pixels():
    image = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    image[0, 0] = 1000
    image[0, 1] = np.nan
    _, about, _ = layers.image_layer(image, "mean", PLACE)
    low, high = about["contrast_limits"]
    assert 0 < low < 0.05
    assert 0.9 < high < 1.1


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_image_without_contrast_can_be_shown(value):
    data, about, _ = layers.image_layer(np.full((5, 7), value), "mean", PLACE)
    assert Image(data, **about).contrast_limits[0] < about["contrast_limits"][1]


def test_the_quilt_is_the_solvers_grid():
    grid = patch_grid((100, 150), 64, 16)
    data, _, kind = layers.quilt_layer(grid, PLACE)
    assert kind == "shapes"
    for patch, corners in zip(grid, data, strict=True):
        assert np.array_equal(corners[2] - corners[0], patch.shape)
        assert corners[0].tolist() == [patch.rows.start - 0.5, patch.cols.start - 0.5]


def test_a_layer_is_a_movie_with_its_rate_and_pixel_size():
    frames = np.random.default_rng(0).integers(0, 99, (9, 6, 7)).astype(np.uint16)
    movie = layers.movie_of_layer(Image(frames, **PLACE.movie))
    assert movie.frame_rate_hz == pytest.approx(20)
    assert movie.pixel_size_um == (0.5, 0.8)
    assert np.array_equal(movie.read(), frames)


def test_what_the_metadata_say_of_the_rate_counts_more():
    layer = Image(np.zeros((9, 6, 7)), metadata={"frame_rate_hz": 12.5})
    movie = layers.movie_of_layer(layer)
    assert movie.frame_rate_hz == 12.5
    assert movie.pixel_size_um is None


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (Labels(np.zeros((3, 4, 5), int), name="a"), "of the type Labels"),
        (Image(np.zeros((6, 4, 5, 3)), rgb=True, name="a"), "in colour"),
        (Image(np.zeros((2, 3, 4, 5)), name="a"), "an image of 4 axes"),
        (Image(np.zeros((4, 5)), name="a"), "an image of 2 axes"),
        (Image([np.zeros((3, 8, 8)), np.zeros((3, 4, 4))], name="a"), "pyramid"),
    ],
)
def test_other_layers_are_refused_in_one_sentence(layer, found):
    with pytest.raises(InputError, match=f"'a' is .*{found}.*frames, rows and col"):
        layers.movie_of_layer(layer)


def test_a_movie_is_shown_lazily():
    frames = np.random.default_rng(0).integers(0, 99, (9, 6, 7)).astype(np.uint16)
    movie = Movie.from_array(frames, frame_rate_hz=20.0)
    data, about, kind = layers.movie_layer(movie, PLACE)
    assert kind == "image"
    assert np.array_equal(data[4], frames[4])
    assert 0 <= about["contrast_limits"][0] < about["contrast_limits"][1] <= 99
    data.close()
