"""The result file: round trip, never broken, never overwritten, documented."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from example_values import make_components, make_result, make_stage

from napari_cnmf.components import NOTES, REASONS
from napari_cnmf.errors import InputError, MissingFileError, OutputError
from napari_cnmf.formats.results import AXES, MovieInfo, Result, digest, load, save
from napari_cnmf.leaves import leaves
from napari_cnmf.movie import Movie
from napari_cnmf.origin import Fate, Origin
from napari_cnmf.proposal import Proposal
from napari_cnmf.recipe import Recipe

DOCS = Path(__file__).parents[2] / "docs" / "results-file.md"


def assert_equal(ours: Result, theirs: Result) -> None:
    """Every array and text of two results is the same, in type too."""
    for (name, a), (other, b) in zip(leaves(ours), leaves(theirs), strict=True):
        assert name == other
        assert isinstance(a, str) or (a.dtype, a.shape) == (b.dtype, b.shape), name
        np.testing.assert_array_equal(a, b, err_msg=name)


def test_a_result_comes_back_as_it_was(tmp_path):
    result = make_result()
    save(result, tmp_path / "results.h5")
    back = load(tmp_path / "results.h5")
    assert_equal(result, back)
    assert back.movie == result.movie
    assert back.stages == result.stages
    assert back.proposals == result.proposals
    assert back.stages[0].seconds == result.stages[0].seconds
    assert back.components.quality.limits == result.components.quality.limits
    assert back.log == result.log
    assert back.complete is True
    assert Recipe.from_toml(back.recipe) == Recipe()


@pytest.mark.parametrize(
    "changes",
    [
        {"components": None, "complete": False},
        {"components": None, "shifts": None, "summary": None, "registration": None},
        {"components": replace(make_components(), quality=None, dff=None)},
        {"components": make_components(np.zeros(0, int))},
        {"movie": MovieInfo((5, 4, 3), "abc")},
        {"stages": (), "versions": {}, "log": ""},
    ],
    ids=["corrected", "read", "fitted", "no cells", "plain movie", "no record"],
)
def test_what_is_not_there_yet_stays_away(tmp_path, changes):
    result = replace(make_result(), **changes)
    save(result, tmp_path / "results.h5")
    back = load(tmp_path / "results.h5")
    assert_equal(result, back)
    for name, value in changes.items():
        if value is None:
            assert getattr(back, name) is None
    if result.components is not None:
        assert (back.components.dff is None) == (result.components.dff is None)


def test_the_movie_is_described_as_it_is():
    movie = Movie.from_array(np.zeros((5, 4, 3), np.uint16), frame_rate_hz=3.0)
    info = MovieInfo.of(movie)
    assert asdict(info) == {
        "shape": (5, 4, 3),
        "fingerprint": movie.fingerprint,
        "files": (),
        "frame_rate_hz": 3.0,
        "pixel_size_um": None,
        "dtype": "uint16",
    }


def test_an_existing_result_is_kept(tmp_path):
    path = tmp_path / "results.h5"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"results\.h5 already exists.*--overwrite"):
        save(make_result(), path)
    assert path.read_bytes() == b"precious"
    save(make_result(), path, overwrite=True)
    assert load(path).seed == 3


def test_the_same_result_gives_the_same_bytes(tmp_path):
    save(make_result(), tmp_path / "a.h5")
    save(load(tmp_path / "a.h5"), tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_the_digest_survives_the_file(tmp_path):
    save(make_result(), tmp_path / "a.h5")
    assert digest(load(tmp_path / "a.h5")) == digest(make_result())


@pytest.mark.parametrize(
    "changes",
    [
        {"log": "another"},
        {"versions": {"numpy": "3"}},
        {"stages": (make_stage("correct", 9.0),)},
        {"movie": replace(make_result().movie, files=())},
        {"recipe": "# another comment\n" + make_result().recipe},
    ],
    ids=["log", "versions", "times", "files", "comment"],
)
def test_the_digest_leaves_circumstances_out(changes):
    assert digest(replace(make_result(), **changes)) == digest(make_result())


def one_bit_changed(name: str) -> Result:
    """The result with the last value of one array changed."""
    group, field = name.split(".")
    value = getattr(make_result(), group)
    array = getattr(value, field).copy()
    array.flat[-1] = not array.flat[-1] if array.dtype == bool else array.flat[-1] + 1
    return replace(make_result(), **{group: replace(value, **{field: array})})


@pytest.mark.parametrize(
    "changed",
    [
        *map(
            one_bit_changed,
            [
                "components.denoised",
                "components.dff",
                "components.ids",
                "summary.valid",
                "shifts.values",
                "registration.flags",
            ],
        ),
        replace(
            make_result(), recipe=Recipe().with_settings(["dff.percentile=8"]).to_toml()
        ),
        replace(make_result(), seed=4),
        replace(make_result(), movie=replace(make_result().movie, fingerprint="x")),
        replace(make_result(), components=None),
    ],
)
def test_the_digest_changes_with_any_array_or_parameter(changed):
    assert digest(changed) != digest(make_result())


def test_every_array_says_its_axes_and_unit(tmp_path):
    save(make_result(), tmp_path / "results.h5")
    found = {}

    def note(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim and not name.endswith("shape"):
            found[name] = (item.attrs.get("axes"), item.attrs.get("unit"))

    with h5py.File(tmp_path / "results.h5") as file:
        file.visititems(note)
    del found["movie/pixel_size_um"]
    assert found == AXES


def test_every_dataset_is_documented():
    text = DOCS.read_text()
    cells = make_components()
    cells = replace(cells, origin=Origin.unknown(len(cells)))
    for name, content in leaves(make_result(cells)):
        assert f"`{name}`" in text, name
        row = next(line for line in text.splitlines() if f"`{name}`" in line)
        if not isinstance(content, str):
            assert content.dtype.name in row, row
        if name in AXES:
            assert AXES[name][1] in row, row


def test_every_entry_of_a_fate_is_documented():
    table = DOCS.read_text().split("`components/fates` says")[1].split("###")[0]
    assert {item.name for item in fields(Fate)} == set(
        re.findall(r"`(\w+)`[,|` ]", table)
    ) - {"components", "origin"}


def test_every_entry_of_a_proposal_is_documented():
    table = DOCS.read_text().split("`proposals` holds")[1].split("###")[0]
    assert {item.name for item in fields(Proposal)} == set(
        re.findall(r"`(\w+)`[,|` ]", table)
    )


def test_every_reason_is_documented():
    rows = re.findall(r"^\| (\d+) \| (.+) \| `?(\w+)`? \|$", DOCS.read_text(), re.M)
    assert rows == [(str(r.bit), r.name, r.score or "none") for r in REASONS]


def test_every_note_is_documented():
    table = DOCS.read_text().split("Bits of the notes")[1].split("##")[0]
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.M)
    assert rows == [(str(n.bit), n.name) for n in NOTES]


def test_a_missing_result_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"no result file .*results\.h5"):
        load(tmp_path / "results.h5")


def _foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["mov"] = np.zeros((3, 4, 5))


def _newer(path: Path) -> None:
    save(make_result(), path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99


def _without(name: str):
    def spoil(path: Path) -> None:
        save(make_result(), path)
        with h5py.File(path, "r+") as file:
            del file[name]

    return spoil


def _truncated(path: Path) -> None:
    save(make_result(), path)
    path.write_bytes(path.read_bytes()[:20_000])


def _mixed(path: Path) -> None:
    save(make_result(), path)
    with h5py.File(path, "r+") as file:
        del file["checksums"], file["components/ids"]
        file["components/ids"] = np.arange(9)


def _outside(path: Path) -> None:
    save(make_result(), path)
    with h5py.File(path, "r+") as file:
        del file["checksums"]
        file["components/footprints/indices"][0] = 10**6


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.write_text("no HDF5"), "cannot be read as a result"),
        (lambda path: path.write_bytes(b""), "cannot be read as a result"),
        (lambda path: path.mkdir(), "cannot be read as a result"),
        (_foreign, "no result of napari-cnmf"),
        (_newer, "has version 99 of the result format"),
        (_without("components/denoised"), "cannot be read as a result"),
        (_without("components/footprints/indptr"), "cannot be read as a result"),
        (_truncated, "cannot be read as a result"),
        (_mixed, "'ids' holds 9 components"),
        (_outside, "cannot be read as a result"),
    ],
    ids=[
        "text",
        "empty",
        "folder",
        "foreign",
        "newer",
        "no traces",
        "half a matrix",
        "truncated",
        "mixed",
        "pixel outside",
    ],
)
def test_a_damaged_or_foreign_file_is_refused_with_a_sentence(
    tmp_path, spoil, sentence
):
    path = tmp_path / "results.h5"
    spoil(path)
    with pytest.raises(InputError) as caught:
        load(path)
    assert sentence in str(caught.value)


def test_a_full_disk_keeps_the_older_result_and_says_what_to_do(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    path = tmp_path / "results.h5"
    save(make_result(), path)
    before = path.read_bytes()
    large = replace(make_result(), log="x" * 5_000_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OutputError, match=r"results\.h5 cannot be written.*free"):
            save(large, path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["results.h5"]


def test_a_run_killed_while_writing_leaves_the_older_result(tmp_path):
    path = tmp_path / "results.h5"
    save(make_result(), path)
    before = path.read_bytes()
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from napari_cnmf.formats.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os._exit(9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)])
    assert killed.returncode == 9
    assert path.read_bytes() == before
    save(make_result(), path, overwrite=True)  # and its remains are no obstacle
    assert [file.name for file in tmp_path.iterdir()] == ["results.h5"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"results\.h5 cannot be written to .*file"):
        save(make_result(), tmp_path / "file" / "results.h5")
