"""How far verdicts are from turning."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from napari_cnmf.components import Quality
from napari_cnmf.quality.criteria import CRITERIA
from napari_cnmf.quality.doubt import distance_to_limits
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule

N = 40


def some_quality(**scores) -> Quality:
    """Scores (N,) that keep all limits of all rules, but for those given."""
    good = {
        "snr": 20.0,
        "r_value": 0.95,
        "relative_area": 1.0,
        "soma_area": 1.0,
        "ring": 0.0,
        "edge": 1.0,
        "caiman_snr": 8.0,
        "caiman_r_value": 0.95,
        "fitness_raw": -99.0,
        "fitness_delta": -99.0,
        "eccentricity": 1.0,
        "size_px": 80.0,
        "neuron_probability": 0.95,
    }
    arrays = {name: np.full(N, value) for name, value in good.items()} | scores
    none = np.zeros(N, np.int32)
    return Quality(**arrays, flags=none, manual=none.astype(np.int8))


def test_distance_is_counted_in_interquartile_ranges_from_the_limit():
    snr = np.linspace(4, 12, N)
    judged = apply_rule(some_quality(snr=snr), QualityParameters(min_snr=8.0))
    width = np.subtract(*np.percentile(snr, (75, 25)))
    np.testing.assert_allclose(distance_to_limits(judged), abs(snr - 8) / width)


def test_where_one_is_enough_the_best_counts_unless_something_required_is_nearer():
    raw, delta = np.linspace(-90, -30, N), np.linspace(-10, -16, N)
    r_value, size = np.linspace(-1, 0.5, N), np.linspace(40, 50, N)
    quality = some_quality(
        fitness_raw=raw, fitness_delta=delta, caiman_r_value=r_value, size_px=size
    )
    parameters = QualityParameters(rule="fitness", min_size_px=41.0)

    def width(scores):
        return np.subtract(*np.percentile(scores, (75, 25)))

    enough = (
        (-60 - raw) / width(raw),
        (-20 - delta) / width(delta),
        (r_value - 0.6) / width(r_value),
    )
    required = (size - 41) / width(size)
    expected = np.abs(np.minimum(np.max(enough, axis=0), required))
    found = distance_to_limits(apply_rule(quality, parameters))
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("rule", ["default", "caiman"])
def test_moving_all_limits_by_less_than_the_distance_turns_no_verdict(rule):
    rng = np.random.default_rng(0)
    names = [item.name for item in fields(Quality) if "axis" in item.metadata][:8]
    scores = {name: rng.uniform(0, 2, N) for name in names}
    none = np.zeros(N, np.int32)
    quality = Quality(**scores, flags=none, manual=none.astype(np.int8))
    limits = {
        c.parameter: 0.2 if c.parameter.endswith("floor") else 1.0
        for c in CRITERIA[rule]
        if c.parameter != "max_relative_area" and c.role != "optional" and not c.needs
    }
    limits = {n: min(v, 0.9 if "r_value" in n else v) for n, v in limits.items()}
    start = apply_rule(quality, QualityParameters(rule=rule, **limits))
    distance = distance_to_limits(start)
    for way in (-1, 1):
        moved = {
            c.parameter: limits[c.parameter] + way * 0.05
            for c in CRITERIA[rule]
            if c.parameter in limits
        }
        spread = min(np.subtract(*np.percentile(s, (75, 25))) for s in scores.values())
        after = apply_rule(quality, QualityParameters(rule=rule, **moved))
        safe = distance > 0.05 / spread
        assert safe.sum() > N / 4
        np.testing.assert_array_equal(
            (after.flags == 0)[safe], (start.flags == 0)[safe]
        )


def test_every_limit_of_a_rule_is_a_parameter_and_a_score():
    scores = {item.name for item in fields(Quality)}
    others = {"rule", "transient_s", "use_classifier", "classifier_model"}
    parameters = {item.name for item in fields(QualityParameters)} - others
    criteria = [c for rule in CRITERIA for c in CRITERIA[rule]]
    assert {c.parameter for c in criteria} == parameters
    assert {c.score for c in criteria} <= scores


@pytest.mark.parametrize("rule", CRITERIA)
def test_each_criterion_names_the_parameter_that_sets_its_limit(rule):
    about = {item.name: item.metadata for item in fields(QualityParameters)}
    for criterion in CRITERIA[rule]:
        value = about[criterion.parameter]["low"] + 0.123
        changes = {criterion.parameter: value, "use_classifier": True}
        judged = apply_rule(some_quality(), QualityParameters(rule=rule, **changes))
        assert judged.limits[criterion.limit] == value


def test_the_parameters_of_a_rule_bear_its_name_unless_it_is_the_default():
    shared = {c.parameter for c in CRITERIA["default"]}
    for rule in ("caiman", "fitness"):
        own = {c.parameter for c in CRITERIA[rule]} - shared
        assert own
        assert all(name.startswith(f"{rule}_") for name in own)


def test_no_components_have_no_distances():
    none = np.zeros(0, np.float32)
    quality = Quality(*([none] * 8), none.astype(np.int32), none.astype(np.int8))
    assert distance_to_limits(apply_rule(quality, QualityParameters())).shape == (0,)
