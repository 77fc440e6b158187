"""The small panels of the report."""

from __future__ import annotations

from dataclasses import replace

import pytest
from example_values import make_components, marked
from matplotlib.figure import Figure

from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule
from napari_cnmf.report.panels import draw_scores


@pytest.mark.parametrize(
    ("rule", "snr", "limits"),
    [
        ("default", 2.0, [8.0, 0.85]),
        ("caiman", 4.0, [2.5, 0.8]),
        ("fitness", 4.0, [0.6]),
    ],
)
def test_scores_and_limits_are_those_of_the_rule(rule, snr, limits):
    components = make_components()
    scores = {"snr": 2 + 0 * marked(), "caiman_snr": 4 + 0 * marked()}
    quality = apply_rule(
        replace(components.quality, **scores), QualityParameters(rule=rule)
    )
    axes = Figure().add_subplot()
    draw_scores(axes, replace(components, quality=quality))
    drawn = [x for points in axes.collections for x, _ in points.get_offsets()]
    assert drawn == [snr] * len(components)
    lines = [max(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines]
    assert lines == pytest.approx(limits)
