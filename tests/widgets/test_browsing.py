"""The order in which cells are stepped through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from widgets.many_cells import make_many

from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule
from napari_cnmf.widgets.parts.browsing import CHOICES, Walk, columns


@pytest.fixture(scope="module")
def cells():
    components = make_many(n_cells=30, n_frames=20, shape=(40, 40)).components
    quality = apply_rule(components.quality, QualityParameters(min_snr=5.0))
    return replace(components, quality=quality, ids=components.ids[::-1] + 7)


def walk(cells, **changes) -> Walk:
    wanted = {"column": "SNR", "falling": False, "choice": "all cells"} | changes
    return Walk.along(cells, cells.quality, **wanted)


def steps(found: Walk, way: int, current: int | None = None) -> list[int]:
    met = []
    while (current := found.step(current, way)) is not None:
        met.append(current)
    return met


def test_steps_meet_every_cell_in_the_order_of_the_column(cells):
    order = np.argsort(cells.quality.snr)
    assert steps(walk(cells), 1) == cells.ids[order].tolist()
    falling = walk(cells, falling=True)
    assert steps(falling, 1) == cells.ids[order[::-1]].tolist()


def test_steps_back_meet_the_same_cells_in_reverse(cells):
    forward = steps(walk(cells), 1)
    assert steps(walk(cells), -1, forward[-1]) == forward[-2::-1]


@pytest.mark.parametrize("choice", CHOICES)
def test_only_chosen_cells_are_met(cells, choice):
    manual = np.zeros(len(cells), np.int8)
    manual[:4] = -1
    quality = replace(cells.quality, manual=manual)
    found = Walk.along(cells, quality, column="size", falling=False, choice=choice)
    assert set(steps(found, 1)) == set(cells.ids[CHOICES[choice](quality)].tolist())


def test_a_cell_that_is_no_longer_wanted_keeps_its_place(cells):
    everyone = steps(walk(cells), 1)
    middle = next(i for i in everyone[5:] if not accepted(cells, i))
    after = [i for i in everyone[everyone.index(middle) :] if accepted(cells, i)]
    found = walk(cells, choice="accepted")
    assert found.step(middle, 1) == (after[0] if after else None)


def accepted(cells, i: int) -> bool:
    return bool(cells.accepted[cells.ids == i][0])


def test_the_place_counts_wanted_cells(cells):
    found = walk(cells)
    everyone = steps(found, 1)
    assert found.place(None) == (0, 30)
    assert found.place(everyone[4]) == (5, 30)


def test_columns_are_the_scores_of_the_rule_in_force(cells):
    default = columns(cells, cells.quality)
    assert default["SNR"] is cells.quality.snr
    caiman = apply_rule(cells.quality, QualityParameters(rule="caiman"))
    found = columns(cells, caiman)
    assert found["SNR"] is cells.quality.caiman_snr
    assert "ring" in default
    assert "ring" not in found


def test_every_column_puts_cells_in_an_order(cells):
    for name in columns(cells, cells.quality):
        assert len(steps(walk(cells, column=name), 1)) == len(cells)
