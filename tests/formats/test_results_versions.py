"""The result file through the years: older files, other programs, flipped bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from example_values import make_result
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cnmf.errors import DamagedResultError, MissingFileError
from napari_cnmf.formats import results
from napari_cnmf.formats.curation import curation_path
from napari_cnmf.formats.layout import CHECKSUMS
from napari_cnmf.formats.previous import (
    damaged_path,
    keep_previous,
    previous_path,
    restore_previous,
)
from napari_cnmf.formats.results import digest, load, load_head, save
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule
from napari_cnmf.recipe import Recipe

DOCS = Path(__file__).parents[2] / "docs" / "results-file.md"

#: What files of version 0.1 of this package lack.
NEWER = (
    "checksums",
    "components/origin",
    "components/fates",
    "proposals",
    "failures",
    "shifts/drift",
    "shifts/line_offset_px",
    "movie/dtype",
    *(
        f"components/quality/{name}"
        for name in (
            "fitness_raw",
            "fitness_delta",
            "eccentricity",
            "size_px",
            "neuron_probability",
            "notes",
        )
    ),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A result file that holds everything."""
    save(make_result(), tmp_path / "results.h5")
    return tmp_path / "results.h5"


def as_of_old(path: Path) -> None:
    """Make a file what an early version 1 of the format was."""
    with h5py.File(path, "r+") as file:
        stages = json.loads(file["stages"].asstr()[()])
        for stage in stages:
            del stage["key"], stage["finished"]
        for name in ("stages", *NEWER):
            if name in file:
                del file[name]
        file["stages"] = json.dumps(stages)


def test_a_result_of_the_first_version_loads_and_is_judged_again(path):
    as_of_old(path)
    result = load(path)
    cells = result.components
    assert (cells.origin, cells.fates) == (None, ())
    assert (result.proposals, result.failures, result.movie.dtype) == (None, (), None)
    assert [(r.key, r.finished) for r in result.stages] == [("", "")] * 2
    assert cells.select(cells.ids > 5).ids.tolist() == [7, 11]
    parameters = QualityParameters(min_snr=6.0, max_eccentricity=2.0)
    quality = apply_rule(cells.quality, parameters)
    low_snr = quality.flags & 1
    assert low_snr.tolist() == [0, 1, 0, 1]  # the scores are the ids
    assert not np.any(quality.flags >> 9)


def test_a_result_of_the_first_version_is_saved_as_one_of_today(path):
    as_of_old(path)
    old = load(path)
    save(old, path, overwrite=True)
    with h5py.File(path) as file:
        assert CHECKSUMS in file
    assert digest(load(path)) == digest(old)


def test_a_file_of_each_earlier_version_is_brought_to_this_one_step_by_step(
    path, monkeypatch
):
    """As it would be, had `log` been called otherwise in the two versions before."""
    with h5py.File(path, "r+") as file:
        file.move("log", "diary")
        del file[CHECKSUMS]
        file.attrs["version"] = 1
    monkeypatch.setattr(results, "VERSION", 3)
    steps = {
        1: lambda old: {{"diary": "notes"}.get(k, k): v for k, v in old.items()},
        2: lambda old: {{"notes": "log"}.get(k, k): v for k, v in old.items()},
    }
    monkeypatch.setattr(results, "UPGRADES", steps)
    assert digest(load(path)) == digest(make_result())
    assert load(path).log == make_result().log


def test_every_earlier_version_has_a_step_to_the_next():
    assert set(results.UPGRADES) == set(range(1, results.VERSION))


FOUND = """
import numpy as np
found = dict(
    footprints=footprints.toarray().tolist(), raw=raw.tolist(), first=first.tolist(),
    accepted=accepted.tolist(), by_hand=by_hand.tolist(), limits=limits,
    flags=np.flatnonzero(~by_rule).tolist(), parameters=parameters["init"],
    stages=stages, versions=versions, log=log,
)
print(json.dumps(found))
"""


def test_the_documented_example_opens_a_result_without_this_package(path):
    code = DOCS.read_text().split("```python\n")[1].split("```")[0]
    blocked = "import sys\nsys.modules['napari_cnmf'] = None\n"
    ran = subprocess.run(
        [sys.executable, "-c", blocked + code + FOUND],
        cwd=path.parent,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    summary, found = ran.stdout.splitlines()
    result, found = make_result(), json.loads(found)
    cells = result.components
    assert summary == f"4 cells, {np.count_nonzero(cells.accepted)} accepted"
    assert found["accepted"] == cells.accepted.tolist()
    assert found["by_hand"] == cells.quality.manual.tolist()
    assert found["limits"] == cells.quality.limits
    assert found["footprints"] == cells.footprints.toarray().tolist()
    assert found["raw"] == cells.raw.tolist()
    assert np.shape(found["first"]) == cells.fov_shape
    assert found["parameters"]["method"] == Recipe().init.method
    assert [stage["stage"] for stage in found["stages"]] == ["correct", "fit"]
    assert found["versions"] == result.versions
    assert found["log"] == result.log


def test_nothing_in_a_file_is_a_pickle_or_of_a_type_of_its_own(path):
    kinds = set()

    def note(_: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset):
            is_text = h5py.check_string_dtype(node.dtype) is not None
            kinds.add("text" if is_text else node.dtype.kind)

    with h5py.File(path) as file:
        file.visititems(note)
    assert kinds <= {"text", "i", "f", "b"}


class TestDamage:
    @settings(max_examples=80)
    @given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def test_a_flipped_bit_is_found_out_or_changes_nothing(
        self, tmp_path_factory, place, bit
    ):
        whole = self.whole(tmp_path_factory)
        content = bytearray(whole)
        content[int(place * len(content))] ^= 1 << bit
        path = tmp_path_factory.getbasetemp() / "flipped.h5"
        path.write_bytes(content)
        try:
            found = load(path)
        except results.InputError:
            return
        assert digest(found) == digest(make_result())
        assert found.log == make_result().log

    def whole(self, tmp_path_factory) -> bytes:
        """Return the bytes of a result file."""
        path = tmp_path_factory.getbasetemp() / "whole.h5"
        if not path.exists():
            save(make_result(), path)
        return path.read_bytes()

    def test_a_flipped_bit_of_a_trace_is_named(self, path):
        with h5py.File(path, "r+") as file:
            file["components/denoised"][2, 3] += 1
        with pytest.raises(
            DamagedResultError, match="checksum of components/denoised is wrong"
        ):
            load(path)
        assert load_head(path).movie == make_result().movie

    def test_what_is_missing_is_named_even_if_results_can_be_without(self, path):
        with h5py.File(path, "r+") as file:
            del file["components/dff"]
        with pytest.raises(DamagedResultError, match="components/dff is missing"):
            load(path)

    def test_a_shape_that_no_file_holds_takes_no_memory(self, path):
        content = path.read_bytes()
        with h5py.File(path) as file:
            shape = file["components/denoised"].shape
        asked = np.array(shape, "<u8").tobytes()
        vast = np.array([2**40, shape[1]], "<u8").tobytes()
        assert asked in content
        path.write_bytes(content.replace(asked, vast))
        with pytest.raises(DamagedResultError):
            load(path)


class TestFormerState:
    """What is kept of a result when a stage replaces it."""

    def broken(self, path: Path) -> None:
        """Keep a result, write another, and damage that."""
        keep_previous(path)
        save(make_result(), path, overwrite=True)
        os.truncate(path, path.stat().st_size // 2)

    def test_is_the_file_itself_and_not_a_copy(self, path):
        keep_previous(path)
        assert previous_path(path).samefile(path)
        before = path.read_bytes()
        save(load(path), path, overwrite=True)
        assert previous_path(path).read_bytes() == before
        assert not previous_path(path).samefile(path)

    def test_is_named_when_the_result_is_damaged(self, path):
        self.broken(path)
        with pytest.raises(DamagedResultError) as caught:
            load(path)
        sentence = str(caught.value)
        assert "results.previous.h5" in sentence
        assert "after correct, fit" in sentence
        assert f"napari-cnmf restore {path.parent}" in sentence

    def test_is_not_offered_if_it_is_damaged_too(self, path):
        self.broken(path)
        os.truncate(previous_path(path), 3000)
        with pytest.raises(DamagedResultError, match=r"so is results\.previous\.h5"):
            load(path)

    def test_takes_the_place_of_the_damaged_one_with_its_decisions(self, path):
        curation_path(path).write_text("of then")
        self.broken(path)
        curation_path(path).write_text("of now")
        aside = restore_previous(path)
        assert aside == damaged_path(path)
        assert curation_path(path).read_text() == "of then"
        curation_path(path).unlink()
        assert digest(load(path)) == digest(make_result())
        assert not previous_path(path).exists()

    def test_is_none_where_files_have_one_name_only(self, path, monkeypatch):
        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        keep_previous(path)
        assert not previous_path(path).exists()
        with pytest.raises(MissingFileError, match=r"no results\.previous\.h5"):
            restore_previous(path)
        assert path.exists()
