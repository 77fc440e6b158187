"""Components in CaImAn's symbols: its order of pixels, its baseline, its background."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from caiman_values import RATE_HZ, assert_same, unit_components
from example_values import FIELD, N_FRAMES

import napari_cnmf
from napari_cnmf.components import REASONS
from napari_cnmf.errors import InputError
from napari_cnmf.formats.exchange.caiman_symbols import from_symbols, to_symbols


def test_pixels_are_in_the_order_of_caiman():
    cells = unit_components()
    symbols = to_symbols(cells)
    images = symbols["A"].toarray().T.reshape(-1, *FIELD, order="F")
    expected = [cells.footprint(k) for k in range(len(cells))]
    np.testing.assert_array_equal(images, expected)
    noise = np.arange(54, dtype=np.float32).reshape(FIELD)
    vector = to_symbols(replace(cells, pixel_noise=noise))["sn"]
    np.testing.assert_array_equal(vector.reshape(FIELD, order="F"), noise)


def test_the_background_is_the_same_movie():
    cells = unit_components()
    symbols = to_symbols(cells)
    movie = (symbols["b"] @ symbols["f"]).T.reshape(-1, *FIELD[::-1]).swapaxes(1, 2)
    expected = cells.background.frames(0, N_FRAMES)
    np.testing.assert_allclose(movie, expected, rtol=1e-5)


def test_c_has_the_baseline_that_denoised_traces_lack():
    cells = unit_components()
    symbols = to_symbols(cells)
    baseline = cells.trace_fit.baseline[:, None]
    np.testing.assert_allclose(symbols["C"] - baseline, cells.denoised, atol=1e-6)
    np.testing.assert_allclose(symbols["C"] + symbols["YrA"], cells.raw, atol=2e-6)


@pytest.mark.parametrize("n_cells", [4, 1, 0])
def test_components_come_back_equal(n_cells):
    cells = unit_components(n_cells)
    assert_same(from_symbols(to_symbols(cells), frame_rate_hz=RATE_HZ), cells)


def test_without_a_constant_there_is_no_trace_for_it():
    cells = unit_components()
    dark = replace(
        cells, background=replace(cells.background, constant=np.zeros(FIELD))
    )
    assert len(to_symbols(dark)["f"]) == len(to_symbols(cells)["f"]) - 1
    assert_same(from_symbols(to_symbols(dark), frame_rate_hz=RATE_HZ), dark)


def test_footprints_of_another_norm_are_scaled_and_their_traces_inversely():
    cells = unit_components()
    symbols = to_symbols(cells)
    norms = np.array([0.5, 2.0, 3.0, 10.0])
    scaled = symbols | {"A": symbols["A"] * norms}
    for name in ("C", "S", "YrA", "bl", "neurons_sn", "lam"):
        column = norms.reshape(-1, *[1] * (symbols[name].ndim - 1))
        scaled[name] = symbols[name] / column
    assert_same(from_symbols(scaled, frame_rate_hz=RATE_HZ), cells)


def test_the_attributes_of_caimans_object_are_taken_as_they_are():
    """Values as lists, of arrays, with None; other matrices; attributes of its own."""
    cells = unit_components()
    symbols = to_symbols(cells)
    loose = symbols | {
        "A": sp.csc_matrix(symbols["A"]),
        "b": symbols["b"].toarray(),
        "bl": [np.array([value]) for value in symbols["bl"]],
        "neurons_sn": [None, *symbols["neurons_sn"][1:]],
        "lam": symbols["lam"].astype("S32"),
        "g": [None, *symbols["g"][1:]],
        "W": None,
        "coordinates": [{}],
    }
    found = from_symbols(vars(SimpleNamespace(**loose)), frame_rate_hz=RATE_HZ)
    np.testing.assert_allclose(found.denoised, cells.denoised, atol=1e-6)
    np.testing.assert_allclose(found.trace_fit.penalty, cells.trace_fit.penalty)
    assert np.isnan(found.trace_fit.noise[0])
    assert found.trace_fit.ar[0].tolist() == [0, 0]
    np.testing.assert_array_equal(found.trace_fit.ar[1:], cells.trace_fit.ar[1:])


def test_the_least_that_caiman_can_give_is_enough():
    symbols = to_symbols(unit_components())
    least = {name: symbols[name] for name in ("A", "C", "dims")}
    found = from_symbols(least, frame_rate_hz=RATE_HZ)
    assert found.quality is None
    assert found.dff is None
    np.testing.assert_array_equal(found.raw, symbols["C"])
    assert not found.background.frames(0, N_FRAMES).any()
    assert np.isnan(found.pixel_noise).all()
    assert np.isnan(found.trace_fit.noise).all()
    again = to_symbols(found)
    assert again["sn"] is again["neurons_sn"] is again["idx_components"] is None


def test_an_order_of_one_has_one_coefficient():
    cells = unit_components()
    ar = np.array([[0.9, 0]] * 4, np.float32)
    first_order = replace(cells, trace_fit=replace(cells.trace_fit, ar=ar))
    assert to_symbols(first_order)["g"].shape == (4, 1)
    assert to_symbols(cells)["g"].shape == (4, 2)


def test_discarded_components_come_behind_the_others_rejected():
    cells = unit_components()
    kept, discarded = (to_symbols(cells.select(part)) for part in ([2, 0], [3, 1]))
    kept |= {"idx_components": None}
    gone = SimpleNamespace(**discarded | {"F_dff": None, "b": None, "f": None})
    found = from_symbols(kept | {"discarded_components": gone}, frame_rate_hz=RATE_HZ)
    np.testing.assert_array_equal(found.accepted, [True, True, False, False])
    order = cells.select(np.array([2, 0, 3, 1]))
    np.testing.assert_allclose(found.raw, order.raw, atol=2e-6)
    np.testing.assert_array_equal(
        found.footprints.toarray(), order.footprints.toarray()
    )
    np.testing.assert_array_equal(found.dff[:2], order.dff[:2])
    assert np.isnan(found.dff[2:]).all()


def judged(scores: dict, accepted: list[int], limits: dict):
    symbols = to_symbols(unit_components()) | {
        "SNR_comp": None,
        "r_values": None,
        "cnn_preds": np.zeros(0),
        "idx_components": np.array(accepted, float),
    }
    found = from_symbols(symbols | scores, frame_rate_hz=RATE_HZ, limits=limits)
    return found.quality


def names_of(flags: int) -> set[str]:
    return {reason.name for reason in REASONS if flags >> reason.bit & 1}


def test_rejections_have_the_reasons_that_caimans_limits_give():
    scores = {
        "SNR_comp": np.array([1.0, 1.0, 4.0, 0.2]),
        "r_values": np.array([0.9, 0.5, 0.1, 0.95]),
    }
    limits = {"min_SNR": 2.0, "rval_thr": 0.8, "SNR_lowest": 0.5, "rval_lowest": -1.0}
    quality = judged(scores, [0, 2], limits)
    np.testing.assert_array_equal(quality.accepted, [True, False, True, False])
    assert names_of(quality.flags[1]) == {"low CaImAn SNR", "low CaImAn r value"}
    assert names_of(quality.flags[3]) == {"CaImAn SNR floor"}
    assert "0.2 against a limit of 0.5" in quality.reasons(3)[0]


def test_a_good_probability_is_enough_only_where_it_counts():
    scores = {
        "SNR_comp": np.ones(4),
        "cnn_preds": np.array([0.95, 0.5, 0.01, 0.95]),
    }
    limits = {"min_SNR": 2.0, "min_cnn_thr": 0.9, "cnn_lowest": 0.1, "use_cnn": True}
    quality = judged(scores, [0, 3], limits)
    assert names_of(quality.flags[1]) == {"low CaImAn SNR", "unlike a neuron"}
    assert "neuron floor" in names_of(quality.flags[2])
    unused = judged(scores, [0, 3], limits | {"use_cnn": False})
    assert names_of(unused.flags[2]) == {"low CaImAn SNR"}


def test_a_verdict_that_nothing_explains_stands_for_itself():
    scores = {"SNR_comp": np.array([5.0, 5.0, 1.0, 1.0])}
    quality = judged(scores, [1, 2], {"min_SNR": 2.0})
    np.testing.assert_array_equal(quality.accepted, [False, True, True, False])
    assert quality.reasons(0) == [
        "imported verdict: the program that found it rejected it"
    ]
    assert quality.reasons(2) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"A": None}, "CaImAn's 'A' is missing"),
        ({"dims": (6, 9, 2)}, "a field of two sides is expected"),
        ({"dims": (6, 8)}, "A has 54 pixels, and a field of 6 x 8 has 48"),
        ({"C": np.zeros((3, 20))}, "C has the shape (3, 20), and A has 4 components"),
        ({"S": np.zeros((4, 19))}, "S has the shape (4, 19), where (4, 20)"),
        ({"bl": np.zeros(3)}, "bl has 3 values for 4 components"),
        ({"sn": np.zeros(9)}, "sn has 9 pixels"),
        ({"f": np.zeros((1, 20))}, "f has the shape (1, 20), where (3, 20)"),
        ({"idx_components": [4]}, "names component 4 of 4"),
    ],
)
def test_what_does_not_fit_is_named(wrong, words):
    symbols = to_symbols(unit_components()) | wrong
    with pytest.raises(InputError) as error:
        from_symbols(symbols, frame_rate_hz=RATE_HZ)
    assert words in str(error.value)


def test_they_are_public():
    assert napari_cnmf.to_symbols is to_symbols
    assert napari_cnmf.from_symbols is from_symbols
