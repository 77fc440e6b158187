"""Decisions beside the result file: applied, folded in, not lost nor misapplied."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from example_values import make_components, make_result, make_stage, with_verdicts

from napari_cnmf.errors import MissingStageError, OutputError
from napari_cnmf.formats import curation
from napari_cnmf.formats.curation import curation_path, save_curation
from napari_cnmf.formats.results import Result, digest, load, save
from napari_cnmf.recipe import Recipe

STAGES = (make_stage("correct"), make_stage("fit"), make_stage("evaluate"))


@pytest.fixture
def result() -> Result:
    """A result whose cells were evaluated."""
    found = make_result(with_verdicts(make_components()))
    return replace(found, stages=STAGES)


@pytest.fixture
def path(tmp_path, result):
    """Its file."""
    save(result, tmp_path / "results.h5")
    return tmp_path / "results.h5"


def decided(result: Result) -> Result:
    """The result after the user moved a limit and decided on two cells."""
    quality = replace(
        result.components.quality,
        flags=np.array([0, 0, 1, 3], np.int32),
        manual=np.array([0, -1, 1, 0], np.int8),
        rule="default",
        limits={"low SNR": 5.5},
    )
    recipe = Recipe.from_toml(result.recipe).with_settings({"quality.min_snr": 5.5})
    return replace(
        result,
        components=replace(result.components, quality=quality),
        recipe=recipe.to_toml(),
    )


def assert_same_verdicts(ours: Result, theirs: Result) -> None:
    """Both results say the same of each cell, and why."""
    a, b = ours.components.quality, theirs.components.quality
    for name in ("flags", "manual"):
        ours_, theirs_ = getattr(a, name), getattr(b, name)
        assert ours_.dtype == theirs_.dtype
        np.testing.assert_array_equal(ours_, theirs_)
    assert (a.rule, a.limits) == (b.rule, b.limits)
    assert ours.recipe == theirs.recipe


def test_decisions_are_applied_when_the_result_is_read(path, result):
    before = path.read_bytes()
    save_curation(decided(result), path)
    assert path.read_bytes() == before
    assert curation_path(path).name == "results.curation.json"
    assert_same_verdicts(load(path), decided(result))
    assert digest(load(path)) == digest(decided(result)) != digest(result)


def test_the_last_decision_counts(path, result):
    save_curation(decided(result), path)
    save_curation(result, path)
    assert digest(load(path)) == digest(result)
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "results.curation.json",
        "results.h5",
    ]


def test_writing_the_result_takes_decisions_in(path, result):
    save_curation(decided(result), path)
    written = save(replace(result, log="dff: 1 s"), path, overwrite=True)
    assert not curation_path(path).exists()
    assert_same_verdicts(load(path), decided(result))
    assert_same_verdicts(written, decided(result))
    assert load(path).log == "dff: 1 s"


def test_other_parameters_of_the_new_result_are_kept(path, result):
    save_curation(decided(result), path)
    recipe = Recipe.from_toml(result.recipe).with_settings({"dff.method": "detrend"})
    save(replace(result, recipe=recipe.to_toml()), path, overwrite=True)
    after = Recipe.from_toml(load(path).recipe)
    assert (after.dff.method, after.quality.min_snr) == ("detrend", 5.5)


def test_a_kill_before_the_removal_changes_nothing(path, result):
    save_curation(decided(result), path)
    left = curation_path(path).read_bytes()
    save(load(path), path, overwrite=True)
    curation_path(path).write_bytes(left)
    assert_same_verdicts(load(path), decided(result))


def test_a_failed_write_keeps_the_decisions(path, result, monkeypatch):
    save_curation(decided(result), path)
    before = path.read_bytes(), curation_path(path).read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_cnmf.formats.results._write", fail)
    with pytest.raises(OutputError, match="No space left"):
        save(result, path, overwrite=True)
    assert (path.read_bytes(), curation_path(path).read_bytes()) == before


def test_a_decision_while_the_file_is_written_is_kept(path, result, monkeypatch):
    save_curation(result, path)
    write = save.__globals__["_write"]

    def decide_too(*args):
        save_curation(decided(result), path)
        write(*args)

    monkeypatch.setitem(save.__globals__, "_write", decide_too)
    save(load(path), path, overwrite=True)
    assert_same_verdicts(load(path), decided(result))


@pytest.mark.parametrize(
    "other",
    [
        lambda result: replace(
            result, components=replace(result.components, ids=np.array([7, 3, 11, 6]))
        ),
        lambda result: replace(
            result, components=result.components.select(np.array([0, 1, 2]))
        ),
        lambda result: replace(result, stages=(*STAGES[:2], make_stage("evaluate", 9))),
        lambda result: replace(
            result, components=replace(result.components, quality=None)
        ),
        lambda result: replace(result, components=None),
    ],
    ids=["other ids", "fewer cells", "evaluated again", "not evaluated", "no cells"],
)
def test_decisions_on_other_cells_are_left_aside(path, result, caplog, other):
    save_curation(decided(result), path)
    text = curation_path(path).read_bytes()
    curation_path(path).unlink()
    save(other(result), path, overwrite=True)
    curation_path(path).write_bytes(text)
    back = load(path)
    assert digest(back) == digest(other(result))
    assert "results.curation.json holds decisions on other cells" in caplog.text
    assert curation_path(path).read_bytes() == text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "{half",
        lambda _: "[]",
        lambda _: "{}",
        lambda content: json.dumps(content | {"version": 2}),
        lambda content: json.dumps(content | {"format": "other"}),
        lambda content: json.dumps(content | {"manual": [0, 1]}),
        lambda content: json.dumps(content | {"manual": [0, 1, 300, 0]}),
        lambda content: json.dumps(content | {"flags": "text"}),
        lambda content: json.dumps(content | {"recipe": "[quality\n"}),
        lambda content: json.dumps(content | {"limits": 3}),
    ],
)
def test_a_damaged_file_is_named_and_the_result_opens(path, result, caplog, spoil):
    save_curation(decided(result), path)
    content = json.loads(curation_path(path).read_text())
    curation_path(path).write_text(spoil(content))
    assert digest(load(path)) == digest(result)
    assert "results.curation.json cannot be read" in caplog.text
    assert curation_path(path).read_text() == spoil(content)


def test_without_scores_there_is_nothing_to_decide(path, result):
    bare = replace(result, components=replace(result.components, quality=None))
    with pytest.raises(MissingStageError, match="not evaluated yet"):
        save_curation(bare, path)
    with pytest.raises(MissingStageError, match="not evaluated yet"):
        save_curation(replace(result, components=None), path)


def test_a_folder_that_is_gone_is_a_sentence(tmp_path, result):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"results\.curation\.json cannot be written"):
        save_curation(result, tmp_path / "file" / "results.h5")


def test_the_quality_group_alone_is_kept(path, result):
    save_curation(decided(result), path)
    kept = json.loads(curation_path(path).read_text())["recipe"]
    assert kept.startswith("[quality]\n")
    assert kept.count("\n[") == 0
    assert curation._QUALITY_GROUP.sub(lambda _: kept, decided(result).recipe) == (
        decided(result).recipe
    )
