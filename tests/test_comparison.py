"""Two results cell by cell: planted edits are found exactly, nothing else is."""

from __future__ import annotations

import csv
import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import tifffile
from example_values import make_components, make_quality, make_result, with_verdicts
from planted_edits import Edited, as_components, edited

from napari_cnmf.cli import main
from napari_cnmf.comparison import COLUMNS, compare, write_table
from napari_cnmf.components import Components
from napari_cnmf.errors import InputError, MissingStageError
from napari_cnmf.formats.results import Result, save
from napari_cnmf.matching import Matching, match
from napari_cnmf.pipeline.comparing import OPEN, compare_paths, mean_of_movie, names_of
from napari_cnmf.recipe import Recipe


@pytest.fixture(scope="module")
def planted() -> Edited:
    return edited(0)


def links(found: Matching, first: Components, second: Components) -> set:
    """(state, id in the first, id in the second) of each row."""
    ids = [
        [int(cells.ids[k]) if k >= 0 else -1 for k in places]
        for cells, places in ((first, found.first), (second, found.second))
    ]
    return set(zip(found.states, *ids, strict=True))


def result_of(components: Components | None, **changes) -> Result:
    made = replace(make_result(), components=components, **changes)
    if components is None:
        return made
    shape = (components.n_frames, *components.fov_shape)
    return replace(made, summary=None, movie=replace(made.movie, shape=shape))


def discs(*centres: tuple[int, int], radius: int = 5) -> np.ndarray:
    """Round cells on a field of 40 x 60 px."""
    y, x = np.mgrid[:40, :60]
    return np.array([np.hypot(y - a, x - b) <= radius for a, b in centres], np.float32)


# Matching


@pytest.mark.parametrize("seed", range(4))
def test_planted_edits_are_found_exactly(seed):
    planted = edited(seed)
    assert len(planted.before) > 100
    found = match(planted.before, planted.after)
    assert links(found, planted.before, planted.after) == planted.links
    counts = {k: n for k, n in found.counts().items() if k != "same"}
    expected = {"lost": 10, "gained": 7, "split": 5, "merged": 3, "moved": 20}
    assert counts == expected


def test_the_other_way_round_all_is_the_other_way_round(planted):
    turned = {"lost": "gained", "gained": "lost", "split": "merged", "merged": "split"}
    found = match(planted.after, planted.before)
    assert links(found, planted.after, planted.before) == {
        (turned.get(state, state), b, a) for state, a, b in planted.links
    }


def test_a_result_is_the_same_as_itself(planted):
    for cells in (planted.before, planted.after):
        found = match(cells, cells)
        assert set(found.states) == {"same"}
        np.testing.assert_array_equal(found.first, found.second)
        np.testing.assert_allclose(found.overlap, 1, atol=1e-5)


def test_the_order_of_the_cells_changes_nothing(planted):
    rng = np.random.default_rng(5)
    first, second = (
        cells.select(rng.permutation(len(cells)))
        for cells in (planted.before, planted.after)
    )
    here, there = match(first, second), match(planted.before, planted.after)
    assert links(here, first, second) == planted.links
    assert here.states == there.states
    np.testing.assert_allclose(here.overlap, there.overlap, rtol=1e-5)


def test_units_of_footprints_do_not_matter(planted):
    scale = np.random.default_rng(1).uniform(0.01, 100, len(planted.after))
    scaled = replace(
        planted.after, footprints=sp.csc_array(planted.after.footprints * scale)
    )
    found = match(planted.before, scaled)
    assert links(found, planted.before, scaled) == planted.links


def test_without_cells_on_a_side_all_others_are_lost_or_gained(planted):
    none = planted.before.select(np.empty(0, np.int64))
    n = len(planted.before)
    assert match(planted.before, none).counts()["lost"] == n
    assert match(none, planted.before).counts()["gained"] == n
    assert match(none, none).states == ()


def test_a_perfect_pair_is_not_given_up_for_two_that_are_middling():
    """Along a chain, two pairs of 0.75 have a greater sum than one of 1."""
    first = as_components(discs((20, 20), (20, 23)), np.arange(2))
    second = as_components(discs((20, 23), (20, 26)), np.arange(2))
    assert links(match(first, second), first, second) >= {("same", 1, 0)}


def test_of_equal_overlaps_the_nearer_is_taken():
    ring = discs((20, 30), radius=9) - discs((20, 30), radius=7)
    half = ring * (np.mgrid[:40, :60][1] > 30)
    both = np.concatenate([ring, half, ring - half])
    first = as_components(both[:1], np.arange(1))
    second = as_components(both[[0, 0]], np.arange(2))
    assert match(first, second).distance_px[1:].tolist() == [0.0]


def test_a_gained_cell_upon_another_does_not_split_it():
    first = as_components(discs((20, 20)), np.arange(1))
    second = as_components(discs((20, 20), (20, 24)), np.arange(2))
    assert links(match(first, second), first, second) == {
        ("same", 0, 0),
        ("gained", -1, 1),
    }


def test_small_cells_within_one_that_is_lost_stay_themselves():
    small = discs((20, 25), (20, 35), radius=4)
    first = as_components(
        np.concatenate([small, discs((20, 30), radius=10)]), np.arange(3)
    )
    second = as_components(small, np.arange(2))
    assert links(match(first, second), first, second) == {
        ("same", 0, 0),
        ("same", 1, 1),
        ("lost", 2, -1),
    }


@pytest.mark.parametrize(("apart", "state"), [(0.3, "same"), (0.7, "moved")])
def test_half_a_pixel_tells_moved_from_same(apart, state):
    y, x = np.mgrid[:40, :60]
    images = [
        np.exp(-((y - 20) ** 2 + (x - c) ** 2) / 20)[None] for c in (30, 30 + apart)
    ]
    images = [np.where(image > 0.01, image, 0) for image in images]
    first, second = (as_components(image, np.arange(1)) for image in images)
    found = match(first, second)
    assert found.states == (state,)
    assert found.distance_px[0] == pytest.approx(apart, abs=0.02)


def test_an_empty_footprint_has_no_partner():
    empty = as_components(0 * discs((20, 20)), np.arange(1))
    assert match(empty, empty).counts()["lost"] == 1


def test_fields_of_different_size_are_refused_in_a_sentence(planted):
    with pytest.raises(InputError, match=r"120 x 190 px.* 6 x 9 px; only results of"):
        match(planted.before, make_components())


def test_a_case_holds_all_that_belong_together(planted):
    found = match(planted.before, planted.after)
    for state, sizes in (("split", (1, 2)), ("merged", (2, 1)), ("moved", (1, 1))):
        for row in found.rows(state).tolist():
            first, second = found.case(row)
            assert (len(first), len(second)) == sizes
            assert found.first[row] in first
            assert found.second[row] in second


# Results


def test_traces_of_pairs_are_correlated(planted):
    found = compare(result_of(planted.before), result_of(planted.after))
    for link in found.links:
        if link.state in ("same", "moved"):
            assert link.correlation == pytest.approx(1, abs=1e-5)
        elif None in link.ids:
            assert link.correlation is None
        else:
            assert link.correlation <= 1.0001


@pytest.mark.parametrize("what", ["frames", "rate"])
def test_traces_of_other_frames_are_not_correlated(planted, what):
    cells, short = planted.before, {}
    if what == "frames":
        for name in ("denoised", "residual_traces", "spikes", "dff"):
            short[name] = getattr(cells, name)[:, :-1]
    else:
        short["frame_rate_hz"] = 2 * cells.frame_rate_hz
    found = compare(result_of(cells), result_of(replace(cells, **short)))
    assert {link.correlation for link in found.links} == {None}


def test_cells_that_only_one_accepts_are_told_with_reasons():
    cells = with_verdicts(make_components())
    manual = cells.quality.manual.copy()
    manual[[1, -1]] = 1, -1
    other = replace(cells, quality=replace(cells.quality, manual=manual))
    found = compare(result_of(cells), result_of(other))
    told = {found.links[row].ids[0]: found.reasons(row) for row in found.disputed}
    assert set(told) == {int(cells.ids[1]), int(cells.ids[-1])}
    here, there = told[int(cells.ids[1])]
    assert here.startswith("rejected by SNR")
    assert there.startswith("accepted by hand")


def test_before_the_evaluation_nothing_is_known_of_verdicts():
    cells = replace(make_components(), quality=None)
    found = compare(result_of(cells), result_of(cells))
    assert found.links[0].snr == (None, None)
    assert found.reasons(0) == ("", "")


def test_parameters_that_differ_have_their_full_names_and_both_values():
    other = Recipe().with_settings({"motion.max_shift_px": 5, "init.iterations": 9})
    here, there = result_of(make_components()), result_of(make_components())
    found = compare(here, replace(there, recipe=other.to_toml()))
    assert {name: values for name, *values in found.parameters} == {
        "motion.max_shift_px": ["12.0", "5.0"],
        "init.iterations": ["4", "9"],
    }


def test_of_another_program_only_what_it_states_is_compared():
    theirs = "[motion]\nmax_shift_px = 5.0\n[acquisition]\nrise_time_s = 0.2\n"
    ours = result_of(make_components())
    found = compare(ours, replace(ours, stages=(), recipe=theirs))
    assert [name for name, *_ in found.parameters] == ["motion.max_shift_px"]


def test_the_common_shift_is_told(planted):
    images = np.stack([planted.before.footprint(k) for k in range(len(planted.before))])
    rolled = as_components(np.roll(images, (0, 2), (1, 2)), planted.before.ids)
    inner = planted.before.centres[:, 1] < 150
    found = compare(
        result_of(planted.before.select(inner)), result_of(rolled.select(inner))
    )
    assert found.median_shift_px == pytest.approx((0, 2), abs=1e-3)


def test_without_components_it_is_said_what_to_do():
    with pytest.raises(MissingStageError, match=r"'B' has no .* run the fit"):
        compare(result_of(make_components()), result_of(None))


def test_the_table_holds_what_is_known(planted, tmp_path):
    found = compare(result_of(planted.before), result_of(planted.after))
    write_table(found, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS
    read = {(x["state"], int(x["id_a"] or -1), int(x["id_b"] or -1)) for x in lines}
    assert read == planted.links
    lost = next(line for line in lines if line["state"] == "lost")
    assert lost["overlap"] == lost["snr_b"] == lost["accepted_b"] == lost["why_b"] == ""
    assert float(lost["snr_a"]) == float(lost["id_a"])
    same = next(line for line in lines if line["state"] == "same")
    assert float(same["overlap"]) == 1
    assert same["accepted_a"] in ("0", "1")


# Files and the command


@pytest.fixture
def folders(planted, tmp_path):
    """Two results on disk."""
    for name, cells in (("first", planted.before), ("second", planted.after)):
        save(result_of(cells), tmp_path / name / "results.h5")
    return tmp_path / "first", tmp_path / "second"


def test_results_are_named_by_what_tells_them_apart(tmp_path):
    a, b = tmp_path / "a" / "out", tmp_path / "b" / "out"
    assert names_of(a / "results.h5", tmp_path / "x.hdf5") == ("out", "x.hdf5")
    assert names_of(a, b) == ("a/out", "b/out")
    assert names_of(None, b) == (OPEN, "out")
    assert names_of(a, a) == (str(a), str(a))


def test_a_result_that_is_open_stands_for_a_path(planted, folders):
    opened = result_of(planted.before)
    assert compare_paths(None, folders[1], opened).matching.counts()["lost"] == 10
    with pytest.raises(MissingStageError, match="choose both from files"):
        compare_paths(None, folders[1])


def test_the_command_tells_and_writes(folders, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compare", *map(str, folders), "-o", str(out)]) == 0
    told = capsys.readouterr().out
    for state, count in {"lost": 10, "split": 5, "merged": 3, "moved": 20}.items():
        (line,) = (line for line in told.splitlines() if line.startswith(state))
        assert line.split()[1] == str(count)
    assert {path.name for path in out.iterdir()} == {
        "comparison.csv",
        "comparison.png",
    }


def test_the_command_alone_only_tells(folders, tmp_path, capsys):
    before = set(tmp_path.rglob("*"))
    assert main(["compare", str(folders[0]), str(folders[0] / "results.h5")]) == 0
    (line,) = re.findall("^lost .*", capsys.readouterr().out, re.MULTILINE)
    assert line.split()[1] == "0"
    assert set(tmp_path.rglob("*")) == before


def test_a_movie_lends_its_mean(folders, tmp_path):
    frames = np.arange(12, dtype=np.uint16)[:, None, None] + np.zeros((120, 190))
    tifffile.imwrite(tmp_path / "movie.tif", frames.astype(np.uint16))
    found = compare_paths(*folders)
    np.testing.assert_allclose(mean_of_movie([tmp_path / "movie.tif"], found), 5.5)
    tifffile.imwrite(tmp_path / "small.tif", frames[:, :100].astype(np.uint16))
    with pytest.raises(InputError, match=r"100 x 190 px.*120 x 190 px; give"):
        mean_of_movie([tmp_path / "small.tif"], found)


def test_what_caiman_saved_is_compared(shared, capsys):
    file = str(shared / "data" / "caiman-results" / "simulated-small.hdf5")
    assert main(["compare", file, file]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^same +106 ", told, re.MULTILINE)
    assert "correlation  1.000 (median of 106 pairs)" in told


def test_what_is_no_result_is_refused(folders, tmp_path, capsys):
    assert main(["compare", str(folders[0]), str(tmp_path / "none.h5")]) == 2
    assert "none.h5" in capsys.readouterr().err
    other = result_of(replace(make_components(), quality=make_quality()))
    save(other, tmp_path / "other.h5")
    assert main(["compare", str(folders[0]), str(tmp_path / "other.h5")]) == 2
    assert "only results of the same field" in capsys.readouterr().err
