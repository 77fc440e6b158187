"""The rules hold scores against limits, say why, and never overrule the user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_values import make_quality

from napari_cnmf.components import REASONS
from napari_cnmf.quality.criteria import CRITERIA
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule

DEFAULT = QualityParameters()
CAIMAN = QualityParameters(rule="caiman", use_classifier=False)
GOOD = {
    "snr": 20.0,
    "r_value": 0.95,
    "relative_area": 1.0,
    "soma_area": 1.0,
    "ring": 0.0,
    "edge": 1.0,
    "caiman_snr": 5.0,
    "caiman_r_value": 0.9,
    "fitness_raw": -100.0,
    "fitness_delta": -40.0,
    "eccentricity": 1.5,
    "size_px": 80.0,
    "neuron_probability": 0.95,
}
# Reason -> its score, its limit, and on which side the score must lie.
LIMITS = {
    "low SNR": ("snr", "min_snr", 1),
    "low r value": ("r_value", "min_r_value", 1),
    "small": ("relative_area", "min_relative_area", 1),
    "large": ("relative_area", "max_relative_area", -1),
    "speck": ("soma_area", "min_soma_area", 1),
    "ring": ("ring", "max_ring", -1),
    "soft edge": ("edge", "min_edge", 1),
}


def quality(**scores):
    """Quality of as many components as there are values of a score."""
    n = len(next(iter(scores.values()))) if scores else 1
    arrays = {name: np.full(n, value, np.float32) for name, value in GOOD.items()}
    arrays |= {name: np.asarray(value, np.float32) for name, value in scores.items()}
    plain = make_quality(np.zeros(n, np.int64))
    return replace(plain, **arrays)


def accepted(parameters=DEFAULT, **scores):
    return apply_rule(quality(**scores), parameters).accepted.tolist()


def reasons(judged, k=0):
    return [sentence.split(":")[0] for sentence in judged.reasons(k)]


def test_a_good_component_is_accepted_without_reasons():
    judged = apply_rule(quality(), DEFAULT)
    assert judged.accepted.all()
    assert judged.reasons(0) == []


@pytest.mark.parametrize("reason", LIMITS)
def test_each_limit_rejects_what_lies_beyond_it(reason):
    score, name, side = LIMITS[reason]
    limit = getattr(DEFAULT, name)
    # The limit itself is allowed, but for what float32 makes of it.
    at_limit = np.float32(limit) * (1 + 1e-6 * side)
    values = [limit + 0.01 * side, at_limit, limit - 0.01 * side]
    judged = apply_rule(quality(**{score: values}), DEFAULT)
    assert judged.accepted.tolist() == [True, True, False]
    assert reasons(judged, 2) == [reason]


@pytest.mark.parametrize("reason", LIMITS)
def test_each_limit_can_be_moved(reason):
    score, name, side = LIMITS[reason]
    value = getattr(DEFAULT, name) - 0.01 * side
    moved = replace(DEFAULT, **{name: value - 0.01 * side})
    assert accepted(DEFAULT, **{score: [value]}) == [False]
    assert accepted(moved, **{score: [value]}) == [True]


def test_a_reason_says_value_limit_and_meaning():
    limits = QualityParameters(min_snr=8.0, max_ring=0.12)
    judged = apply_rule(quality(snr=[5.25], ring=[0.3]), limits)
    first, second = judged.reasons(0)
    assert first == (
        "low SNR: 5.25 against a limit of 8; its transients hardly stand out of the "
        "noise"
    )
    assert second.startswith("ring: 0.3 against a limit of 0.12;")


def test_all_that_is_wrong_is_said():
    nothing = {name: [value] for name, value in {
        "snr": 0, "r_value": 0, "relative_area": 0, "soma_area": 0, "ring": 1, "edge": 0
    }.items()}  # fmt: skip
    judged = apply_rule(quality(**nothing), DEFAULT)
    expected = ["low SNR", "low r value", "small", "speck", "ring", "soft edge"]
    assert reasons(judged) == expected


def test_every_reason_has_its_own_bit_and_those_of_a_rule_a_score():
    assert len({reason.bit for reason in REASONS}) == len(REASONS)
    limits = {c.limit for criteria in CRITERIA.values() for c in criteria}
    for reason in REASONS:
        assert (reason.score in GOOD) == (reason.name in limits)


@pytest.mark.parametrize("rule", CRITERIA)
def test_decisions_by_hand_win(rule):
    scores = {
        "snr": [20, 20, 1, 1],
        "caiman_snr": [5, 5, 0, 0],
        "caiman_r_value": [0.9, 0.9, 0.1, 0.1],
        "fitness_raw": [-99, -99, -9, -9],
        "fitness_delta": [-99, -99, -9, -9],
    }
    decided = replace(quality(**scores), manual=np.array([0, -1, 0, 1], np.int8))
    judged = apply_rule(decided, QualityParameters(rule=rule))
    assert judged.accepted.tolist() == [True, False, False, True]
    np.testing.assert_array_equal(judged.manual, decided.manual)
    assert reasons(judged, 3) != []  # what the rule found is still said


def test_rules_can_be_changed_back_and_forth():
    scores = quality(snr=[1, 20], caiman_snr=[5, 0])
    first = apply_rule(scores, DEFAULT)
    other = apply_rule(first, QualityParameters(rule="caiman"))
    again = apply_rule(other, DEFAULT)
    assert (first.rule, other.rule) == ("default", "caiman")
    assert first.accepted.tolist() == again.accepted.tolist() == [False, True]
    assert other.accepted.tolist() == [True, False]
    assert again.limits == first.limits
    np.testing.assert_array_equal(scores.flags, 0)


# CaImAn: SNR > 2.5 or r >= 0.8, and SNR > 0.5 and r > -1.
@pytest.mark.parametrize(
    ("snr", "r_value", "expected"),
    [
        (5.0, 0.0, True),
        (2.5, 0.0, False),
        (np.nextafter(np.float32(2.5), 9), 0.0, True),
        (0.6, 0.75, True),
        (0.6, np.nextafter(np.float32(0.75), 0), False),
        (0.5, 0.9, False),
        (np.nextafter(np.float32(0.5), 9), 0.9, True),
        (5.0, -1.0, False),
        (5.0, np.nextafter(np.float32(-1), 0), True),
    ],
)
def test_caimans_rule_is_as_strict_as_his(snr, r_value, expected):
    parameters = replace(CAIMAN, caiman_min_r_value=0.75)
    scores = {"caiman_snr": [snr], "caiman_r_value": [r_value]}
    assert accepted(parameters, **scores) == [expected]


def test_caimans_limits_can_be_moved():
    scores = {"caiman_snr": [1.5], "caiman_r_value": [0.6]}
    base = CAIMAN
    assert accepted(base, **scores) == [False]
    assert accepted(replace(base, caiman_min_snr=1.0), **scores) == [True]
    assert accepted(replace(base, caiman_min_r_value=0.5), **scores) == [True]
    lenient = replace(base, caiman_min_snr=1.0)
    assert accepted(replace(lenient, caiman_snr_floor=1.5), **scores) == [False]
    assert accepted(replace(lenient, caiman_r_value_floor=0.7), **scores) == [False]


@pytest.mark.parametrize(
    ("snr", "r_value", "expected"),
    [
        (1.0, 0.0, ["low CaImAn SNR", "low CaImAn r value"]),
        (0.1, 0.9, ["CaImAn SNR floor"]),
        (5.0, -1.0, ["CaImAn r value floor"]),
        (0.1, 0.1, ["low CaImAn SNR", "low CaImAn r value", "CaImAn SNR floor"]),
    ],
)
def test_caimans_rule_says_why(snr, r_value, expected):
    scores = quality(caiman_snr=[snr], caiman_r_value=[r_value])
    judged = apply_rule(scores, CAIMAN)
    assert reasons(judged) == expected


# The notebook keeps r >= 0.6 or fitness_raw < -60 or fitness_delta < -20.
@pytest.mark.parametrize(
    ("r_value", "raw", "delta", "expected"),
    [
        (0.6, 0.0, 0.0, True),
        (0.59, -60.0, -20.0, False),
        (0.0, np.nextafter(np.float32(-60), -99), 0.0, True),
        (0.0, 0.0, np.nextafter(np.float32(-20), -99), True),
        (-1.0, 0.0, 0.0, False),
    ],
)
def test_one_of_three_scores_is_enough_for_the_notebooks_rule(
    r_value, raw, delta, expected
):
    scores = quality(caiman_r_value=[r_value], fitness_raw=[raw], fitness_delta=[delta])
    judged = apply_rule(scores, QualityParameters(rule="fitness"))
    assert judged.accepted.tolist() == [expected]
    why = ["low CaImAn r value", "raw fitness", "delta fitness"]
    assert reasons(judged) == ([] if expected else why)


@pytest.mark.parametrize("rule", CRITERIA)
@pytest.mark.parametrize(
    ("reason", "limit", "kept", "broken"),
    [
        ("few pixels", {"min_size_px": 30.0}, {"size_px": 30}, {"size_px": 29}),
        ("many pixels", {"max_size_px": 99.0}, {"size_px": 99}, {"size_px": 100}),
        (
            "elongated",
            {"max_eccentricity": 3.0},
            {"eccentricity": 3.0},
            {"eccentricity": 3.1},
        ),
    ],
)
def test_size_and_eccentricity_can_be_limited_in_any_rule(
    rule, reason, limit, kept, broken
):
    ((score, value),) = broken.items()
    scores = quality(**{score: [kept[score], value]})
    off = apply_rule(scores, QualityParameters(rule=rule))
    judged = apply_rule(scores, QualityParameters(rule=rule, **limit))
    assert off.accepted.tolist() == [True, True]
    assert reason not in off.limits
    assert judged.accepted.tolist() == [True, False]
    assert reasons(judged, 1) == [reason]


def test_no_size_is_too_large_without_a_limit():
    assert accepted(size_px=[0, 1e9], eccentricity=[1, 1e6]) == [True, True]


@pytest.mark.parametrize("rule", CRITERIA)
def test_a_limit_without_its_score_is_passed_over(rule):
    limits = QualityParameters(
        rule=rule, max_eccentricity=2.0, use_classifier=True, min_neuron_probability=0.5
    )
    names = ["fitness_raw", "fitness_delta", "eccentricity", "size_px"]
    unknown = dict.fromkeys([*names, "neuron_probability"])
    older = replace(quality(caiman_r_value=[0.1, 0.9]), **unknown)
    judged = apply_rule(older, limits)
    expected = {"default": [True, True], "caiman": [True, True]}
    assert judged.accepted.tolist() == expected.get(rule, [False, True])
    assert "elongated" in judged.limits


@pytest.mark.parametrize(
    ("rule", "changes", "expected"),
    [
        ("default", {}, [False, True, True]),
        ("default", {"min_neuron_probability": 0.5}, [False, True, True]),
        ("caiman", {}, [False, False, True]),
        ("caiman", {"caiman_min_neuron_probability": 0.5}, [False, True, True]),
        (
            "caiman",
            {"caiman_neuron_probability_floor": 0.95, "caiman_min_snr": 1.0},
            [False, False, False],
        ),
    ],
)
def test_the_classifier_is_listened_to_if_it_is_used(rule, changes, expected):
    scores = {
        "caiman_snr": [2, 2, 2],
        "caiman_r_value": [0, 0, 0],
        "neuron_probability": [0.1, 0.5, 0.9],
    }
    limits = QualityParameters(rule=rule, **changes)
    deaf = [limits.caiman_min_snr < 2 or rule == "default"] * 3
    assert accepted(replace(limits, use_classifier=False), **scores) == deaf
    assert accepted(limits, **scores) == expected


def test_no_components_are_judged():
    nobody = quality(snr=[], **{name: [] for name in GOOD if name != "snr"})
    for rule in CRITERIA:
        judged = apply_rule(nobody, QualityParameters(rule=rule))
        assert judged.flags.shape == judged.accepted.shape == (0,)
