"""Components: one axis rule, read-only arrays, derived values."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from example_values import FIELD, IDS, make_components, make_quality

from napari_cnmf.components import REASONS, Components, Quality, TraceFit
from napari_cnmf.errors import InputError


def per_component(value: Any, path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every array with a component axis, that axis first."""
    for item in fields(value):
        inner, name = getattr(value, item.name), f"{path}{item.name}"
        if is_dataclass(inner):
            yield from per_component(inner, f"{name}.")
        elif "axis" in item.metadata:
            dense = inner.max(axis=0).toarray() if item.metadata["axis"] else inner
            yield name, dense


@pytest.mark.parametrize(
    "which",
    [
        np.array([True, False, True, True]),
        np.array([2, 0]),
        np.array([], dtype=int),
        np.zeros(4, dtype=bool),
    ],
    ids=["mask", "positions", "no positions", "empty mask"],
)
def test_every_field_of_a_chosen_component_is_its_own(which):
    chosen = make_components().select(which)
    names = []
    for name, values in per_component(chosen):
        expected = IDS[which].reshape(-1, *[1] * (values.ndim - 1))
        np.testing.assert_array_equal(
            values, np.broadcast_to(expected, values.shape), err_msg=name
        )
        names.append(name)
    assert "quality.snr" in names
    assert "trace_fit.ar" in names
    assert "footprints" in names


def test_all_arrays_as_long_as_the_components_follow_the_axis_rule():
    # A new field with a component axis must say so, or select would leave it whole.
    whole = make_components(np.arange(13))
    declared = {name for name, _ in per_component(whole)}

    def arrays(value: Any, path: str = "") -> Iterator[tuple[str, np.ndarray]]:
        for item in fields(value):
            inner, name = getattr(value, item.name), f"{path}{item.name}"
            if is_dataclass(inner):
                yield from arrays(inner, f"{name}.")
            elif hasattr(inner, "shape"):
                yield name, inner

    long = {name for name, array in arrays(whole) if 13 in array.shape}
    assert long == declared


def test_the_background_and_the_field_stay_whole_when_components_are_chosen():
    whole = make_components()
    chosen = whole.select(np.array([1]))
    assert chosen.background is whole.background
    np.testing.assert_array_equal(chosen.pixel_noise, whole.pixel_noise)


@pytest.mark.parametrize("name", ["denoised", "spikes", "ids", "dff"])
def test_a_field_of_another_number_of_components_is_refused_by_name(name):
    whole = make_components()
    with pytest.raises(InputError, match=f"'{name}' holds 3 components"):
        replace(whole, **{name: getattr(whole, name)[:3]})


def test_nested_fields_are_counted_too():
    whole = make_components()
    quality = replace(whole.quality, ring=np.zeros(2, np.float32))
    with pytest.raises(InputError, match="'ring' holds 2 components"):
        replace(whole, quality=quality)


def test_footprints_of_another_field_are_refused():
    with pytest.raises(InputError, match="54 pixels; a field of 6 x 8 has 48"):
        replace(make_components(), fov_shape=(6, 8))


def test_arrays_are_read_only_but_the_callers_own_are_not():
    own = np.ones(FIELD, np.float32)
    whole = replace(make_components(), pixel_noise=own)
    with pytest.raises(ValueError, match="read-only"):
        whole.pixel_noise[0, 0] = 2
    own[0, 0] = 2
    assert whole.pixel_noise[0, 0] == 2  # a view, not a copy


def test_components_come_back_from_pickle_frozen_and_equal():
    whole = make_components()
    back = pickle.loads(pickle.dumps(whole))
    assert not back.denoised.flags.writeable
    for (name, ours), (_, theirs) in zip(
        per_component(whole), per_component(back), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_pickling_leaves_the_derived_values_behind():
    whole = make_components()
    size = len(pickle.dumps(whole))
    assert whole.centres.shape == (4, 2)
    assert len(pickle.dumps(whole)) == size


def test_footprints_lie_in_c_order_on_a_field_that_is_not_square():
    whole = make_components()
    image = whole.footprint(2)
    expected = np.zeros(FIELD)
    expected[:2, 2:4] = 11
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_allclose(whole.centres[2], [0.5, 2.5])
    np.testing.assert_array_equal(whole.sizes_px, [4, 4, 4, 4])


def test_raw_is_denoised_plus_residual():
    whole = make_components()
    np.testing.assert_array_equal(whole.raw, 2 * whole.denoised)


def test_background_frames_are_maps_times_traces_plus_the_constant():
    background = make_components().background
    dense = background.maps.toarray() @ background.traces
    expected = dense.T.reshape(-1, *FIELD) + background.constant
    np.testing.assert_allclose(background.frames(3, 7), expected[3:7], rtol=1e-6)


def test_all_components_are_accepted_before_the_evaluation():
    assert replace(make_components(), quality=None).accepted.tolist() == [True] * 4


def test_the_users_decision_wins_over_the_rule():
    quality = replace(
        make_quality(),
        flags=np.array([0, 0, 1, 1], np.int32),
        manual=np.array([0, -1, 0, 1], np.int8),
    )
    assert quality.accepted.tolist() == [True, False, False, True]


def test_every_reason_names_a_score_and_has_its_own_bit():
    scores = {item.name for item in fields(Quality)}
    # A verdict of another program rests on nothing that we know.
    known = [reason for reason in REASONS if reason.name != "imported verdict"]
    assert {reason.score for reason in known} <= scores
    assert len({reason.bit for reason in REASONS}) == len(REASONS)
    assert len({reason.name for reason in REASONS}) == len(REASONS)


def test_no_components_are_a_normal_result():
    none = make_components(np.zeros(0, int))
    assert len(none) == 0
    assert none.centres.shape == (0, 2)
    assert none.raw.shape == (0, 20)
    assert isinstance(none.trace_fit, TraceFit)
    assert isinstance(pickle.loads(pickle.dumps(none)), Components)
