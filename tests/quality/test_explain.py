"""Why a component is a cell or not: the words agree with the rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_values import make_quality
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.quality.criteria import CRITERIA
from napari_cnmf.quality.explain import explain
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule

RULES = {rule: QualityParameters(rule=rule, use_classifier=False) for rule in CRITERIA}
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


def judged(rule="default", manual=0, **scores):
    """Quality of one component, by a rule."""
    arrays = {
        name: np.array([value], np.float32) for name, value in (GOOD | scores).items()
    }
    quality = make_quality(np.zeros(1, np.int64))
    quality = replace(quality, **arrays, manual=np.array([manual], np.int8))
    return apply_rule(quality, RULES[rule])


@pytest.mark.parametrize(
    ("sentence", "changes"),
    [
        ("accepted: it keeps all limits", {}),
        ("rejected by ring 0.31 > 0.12", {"ring": 0.31}),
        ("rejected by SNR 5.25 < 8 and edge 0.50 < 0.7", {"snr": 5.25, "edge": 0.5}),
        (
            "accepted by hand, against the rule (relative area 3.50 > 3)",
            {"relative_area": 3.5, "manual": 1},
        ),
        (
            "rejected by hand, as by the rule (r value 0.40 < 0.85)",
            {"r_value": 0.4, "manual": -1},
        ),
        (
            "rejected by hand, against the rule (it keeps all limits)",
            {"manual": -1},
        ),
        ("accepted by hand, as by the rule (it keeps all limits)", {"manual": 1}),
        ("accepted by SNR 5.00 > 2.5 and r value 0.90 ≥ 0.8", {"rule": "caiman"}),
        (
            "accepted by r value 0.90 ≥ 0.8",
            {"rule": "caiman", "caiman_snr": 2.0},
        ),
        (
            "rejected by SNR 2.00 ≤ 2.5 and r value 0.70 < 0.8",
            {"rule": "caiman", "caiman_snr": 2.0, "caiman_r_value": 0.7},
        ),
        (
            "rejected by SNR floor 0.40 ≤ 0.5",
            {"rule": "caiman", "caiman_snr": 0.4},
        ),
        (
            "accepted by raw fitness -100.00 < -60 and delta fitness -40.00 < -20",
            {"rule": "fitness", "caiman_r_value": 0.1},
        ),
        (
            (
                "rejected by r value 0.00 < 0.6 and raw fitness -60.00 ≥ -60 and "
                "delta fitness -19.00 ≥ -20"
            ),
            {
                "rule": "fitness",
                "caiman_r_value": 0.0,
                "fitness_raw": -60,
                "fitness_delta": -19,
            },
        ),
        (
            "rejected by hand, against the rule (SNR 5.00 > 2.5)",
            {"rule": "caiman", "caiman_r_value": 0.1, "manual": -1},
        ),
    ],
)
def test_the_sentence_says_what_decided(sentence, changes):
    assert explain(judged(**changes), 0).sentence == sentence


@pytest.mark.parametrize("rule", CRITERIA)
def test_there_is_a_row_for_every_limit_with_its_own_value(rule):
    quality = judged(rule)
    rows = explain(quality, 0).rows
    parameters = [c.parameter for c in CRITERIA[rule] if c.limit in quality.limits]
    assert [row.limit for row in rows] == [
        getattr(RULES[rule], name) for name in parameters
    ]
    assert [row.value for row in rows] == pytest.approx(
        [GOOD[row.score] for row in rows]
    )
    assert parameters == [
        c.parameter
        for c in CRITERIA[rule]
        if c.role != "optional" and c.score != "neuron_probability"
    ]


@pytest.mark.parametrize("rule", CRITERIA)
def test_a_limit_that_is_switched_on_has_a_row(rule):
    limits = QualityParameters(
        rule=rule, max_eccentricity=1.25, use_classifier=True, min_neuron_probability=1
    )
    rows = explain(apply_rule(judged(), limits), 0).rows
    assert ("eccentricity", 1.25, False) in [(r.score, r.limit, r.passed) for r in rows]
    listens = any(row.score == "neuron_probability" for row in rows)
    assert listens == (rule != "fitness")


def test_what_an_older_version_did_not_take_is_told():
    older = replace(judged(), eccentricity=None)
    limits = QualityParameters(max_eccentricity=3.0)
    sentence = explain(apply_rule(older, limits), 0).sentence
    assert sentence == (
        "accepted: it keeps all limits; eccentricity unknown, run 'evaluate' again"
    )
    assert explain(apply_rule(older, QualityParameters()), 0).sentence == (
        "accepted: it keeps all limits"
    )


@given(
    rule=st.sampled_from(sorted(CRITERIA)),
    scores=st.fixed_dictionaries(
        {name: st.floats(-1.0, 10.0, width=32) for name in GOOD}
    ),
)
def test_the_rows_agree_with_the_rule(rule, scores):
    quality = judged(rule, **scores)
    rows, accepted = explain(quality, 0).rows, bool(quality.accepted[0])
    passed = [row.passed for row in rows]
    n_enough = {"default": 0, "caiman": 2, "fitness": 3}[rule]
    enough = any(passed[:n_enough]) or n_enough == 0
    assert accepted == (enough and all(passed[n_enough:]))
    # What decides is on the side of the verdict, and a rejection has a cause.
    assert all(row.passed == accepted for row in rows if row.decided)
    assert accepted or any(row.decided for row in rows)


def test_older_limits_without_floors_leave_rows_out():
    quality = judged("caiman")
    limits = {name: quality.limits[name] for name in list(quality.limits)[:2]}
    assert len(explain(replace(quality, limits=limits), 0).rows) == 2


def test_values_are_told_apart_from_their_limits():
    close = explain(judged(r_value=0.8496), 0).sentence
    assert close == "rejected by r value 0.8496 < 0.85"
