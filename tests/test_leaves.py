"""Values as named arrays: back as they were, and known by all that they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.leaves import digest_of, leaves, restored


class Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray | None = None


@dataclass(frozen=True)
class Note:
    text: str
    place: tuple[int, int]


@dataclass(frozen=True)
class Value:
    name: str
    number: float
    rows: slice
    shape: tuple[int, int]
    columns: sp.csc_array
    lines: sp.csr_array
    pair: Pair
    none: Pair | None
    notes: tuple[Note, ...] = ()
    about: dict[str, int] | None = None
    missing: Pair | None = None


def value() -> Value:
    rng = np.random.default_rng(0)
    matrix = sp.csc_array(rng.random((6, 4)) * (rng.random((6, 4)) > 0.5))
    return Value(
        name="µ",
        number=0.1,
        rows=slice(2, 5),
        shape=(3, 4),
        columns=matrix.astype(np.float32),
        lines=sp.csr_array(matrix),
        pair=Pair(np.arange(6, dtype=np.uint16).reshape(2, 3)),
        none=None,
        notes=(Note("here", (1, 2)),),
        about={"a": 1},
    )


def test_a_value_comes_back_as_it_was():
    before = value()
    after = restored(Value, dict(leaves(before)))
    for name in (
        "name",
        "number",
        "rows",
        "shape",
        "notes",
        "about",
        "missing",
        "none",
    ):
        assert getattr(after, name) == getattr(before, name)
    for name in ("columns", "lines"):
        ours, theirs = getattr(before, name), getattr(after, name)
        assert type(ours) is type(theirs)
        assert ours.dtype == theirs.dtype
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(ours, part), getattr(theirs, part))
            assert getattr(ours, part).dtype == getattr(theirs, part).dtype
    np.testing.assert_array_equal(after.pair.first, before.pair.first)
    assert after.pair.second is None


def test_a_matrix_with_a_pixel_outside_is_refused():
    content = dict(leaves(value()))
    content["columns/indices"] = content["columns/indices"] + 6
    with pytest.raises(ValueError, match="indices"):
        restored(Value, content)


def test_what_is_missing_is_told():
    content = dict(leaves(value()))
    del content["lines/data"]
    with pytest.raises(KeyError):
        restored(Value, content)


class Known(NamedTuple):
    identity: str
    path: str


@pytest.mark.parametrize(
    "other",
    [
        [1.0, "a", np.zeros(3)],
        [1, "b", np.zeros(3)],
        [1, "a", np.zeros(3, np.float32)],
        [1, "a", np.zeros((3, 1))],
        [1, "a", np.array([0, 0, 1e-300])],
        [1, "a", [0.0, 0.0, 0.0]],
        [1, "a"],
        [1, "a", None],
        [1, "a", sp.csc_array(np.zeros((3, 1)))],
    ],
)
def test_whatever_differs_gives_another_digest(other):
    assert digest_of([1, "a", np.zeros(3)]) != digest_of(other)


def test_the_digest_is_that_of_the_content():
    same = np.zeros((3, 2)).T
    assert digest_of(same) == digest_of(np.ascontiguousarray(same))
    assert digest_of(Known("x", "/a")) == digest_of(Known("x", "/b"))
    assert digest_of(Pair(same)) != digest_of(Pair(same, same))
    with pytest.raises(TypeError, match="no identity"):
        digest_of({1, 2})
