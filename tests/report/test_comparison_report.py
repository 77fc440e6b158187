"""The picture of a comparison: what is drawn of which result, in which colour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_values import make_components, make_result, with_verdicts
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from planted_edits import Edited, edited

from napari_cnmf.colours import COMPARED
from napari_cnmf.comparison import Comparison, compare
from napari_cnmf.report.compared import (
    draw_compared_field,
    draw_compared_traces,
    examples,
)
from napari_cnmf.report.comparison import draw_comparison, write_comparison


@pytest.fixture(scope="module")
def planted() -> Edited:
    return edited(0)


@pytest.fixture(scope="module")
def found(planted) -> Comparison:
    """Of two results in which every cell is accepted."""
    return compared(replace(planted.before, quality=None), planted.after)


def compared(before, after, **changes) -> Comparison:
    results = (
        replace(
            make_result(),
            components=replace(cells, quality=None),
            summary=None,
            movie=replace(make_result().movie, shape=(20, *cells.fov_shape)),
        )
        for cells in (before, after)
    )
    first, second = results
    return compare(first, replace(second, **changes), ("monday", "tuesday"))


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_contours_of_both_are_drawn_in_two_colours_the_same_ones_pale(found):
    axes = Figure().add_subplot()
    draw_compared_field(axes, found)
    drawn = {
        (to_hex(lines.get_edgecolor()[0]), float(lines.get_linewidth()[0])): len(
            lines.get_segments()
        )
        for lines in axes.collections
    }
    n_same = found.matching.counts()["same"]
    for side, colour in enumerate(COMPARED):
        assert drawn[colour, 0.6] >= n_same
        assert drawn[colour, 1.4] >= len(found.cells[side]) - n_same


def test_what_is_lost_gained_split_or_merged_is_named_on_the_field(found):
    axes = Figure().add_subplot()
    draw_compared_field(axes, found)
    written = texts(axes)
    for state, count in {"lost": 10, "gained": 7, "split": 5, "merged": 3}.items():
        assert written.count(state) == count


def test_cells_that_both_reject_are_pale_and_not_named():
    cells = with_verdicts(make_components())
    first = replace(make_result(), components=cells)
    none = cells.select(np.empty(0, np.int64))
    axes = Figure().add_subplot()
    draw_compared_field(axes, compare(first, replace(first, components=none)))
    assert texts(axes) == ["lost"] * int(cells.accepted.sum())


def test_examples_are_of_every_state_and_no_case_twice(found):
    rows = examples(found, most=2)
    states = [found.links[row].state for row in rows]
    assert all(states.count(state) == 2 for state in set(states))
    assert len(set(states)) == 6
    cases = {tuple(map(tuple, found.matching.case(row))) for row in rows}
    assert len(cases) == len(rows)


def test_all_traces_of_a_case_are_drawn(found):
    axes = Figure().add_subplot()
    draw_compared_traces(axes, found)
    n_traces = sum(
        len(side) for row in examples(found) for side in found.matching.case(row)
    )
    assert len(axes.lines) == n_traces


def test_without_cells_the_panels_say_so(planted, tmp_path):
    none = planted.before.select(np.empty(0, np.int64))
    empty = compared(none, none)
    written = [text for axes in draw_comparison(empty).axes for text in texts(axes)]
    assert "Neither result accepts a cell." in written
    assert "The traces have no frames in common." in written
    write_comparison(empty, tmp_path / "empty.png")


def test_many_parameters_are_cut_and_counted(planted):
    from napari_cnmf.recipe import Recipe

    known = Recipe.known()
    numbers = [
        f"{name}={getattr(getattr(Recipe(), group), field) + 1}"
        for name in known
        for group, field in [name.split(".")]
        if type(getattr(getattr(Recipe(), group), field)) is int
    ]
    other = Recipe()
    for number in numbers:
        try:
            other = other.with_settings([number])
        except ValueError:
            continue
    found = compared(planted.before, planted.after, recipe=other.to_toml())
    assert len(found.parameters) > 9
    written = [text for axes in draw_comparison(found).axes for text in texts(axes)]
    assert f"and {len(found.parameters) - 9} more" in written


def test_the_picture_is_written_with_the_image_that_is_given(found, tmp_path):
    image = np.zeros(found.cells[0].fov_shape, np.float32)
    image[:, 100:] = 1
    for name, given in (("own", None), ("given", image)):
        write_comparison(found, tmp_path / f"{name}.png", given)
    own, given = (
        np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("own", "given")
    )
    assert own.shape == given.shape == (1500, 2400, 4)
    assert (own != given).any()
