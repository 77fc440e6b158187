"""What tasks have given is read again, unless it is damaged; some tasks may fail."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from napari_cnmf.compute import SerialBackend, ThreadBackend
from napari_cnmf.compute.kept import Keep, Keeping, kept, load_kept, run_kept, save_kept
from napari_cnmf.errors import InputError, OutputError


class Square(NamedTuple):
    number: int
    pixels: np.ndarray
    about: str = "made"


def square(number: int) -> Square:
    return Square(number, np.full((4, 5), number**2, np.float32))


@dataclass(frozen=True)
class Squaring:
    """Squares numbers, and notes which."""

    offset: int = 0
    fails: tuple[int, ...] = ()
    done: list[int] = field(default_factory=list)

    kind: ClassVar = Square

    @property
    def identity(self) -> int:
        return self.offset

    def place(self, number: int) -> str:
        return f"number {number}"

    def __call__(self, number: int) -> Square:
        if number in self.fails:
            raise InputError(f"number {number} is damaged.")
        self.done.append(number)
        return square(number + self.offset)


def run(function: Squaring, keep: Keep | None, n: int = 20, workers: int = 1) -> Any:
    """Run twenty tasks; return what was collected and what was lost."""
    collected: list[int] = []
    lost: list[int] = []
    backend = SerialBackend() if workers == 1 else ThreadBackend(workers)
    with backend:
        run_kept(
            backend,
            function,
            range(n),
            lambda found: collected.append(int(found.pixels[0, 0])),
            None,
            keep,
            lost.append,
        )
    return collected, lost


@pytest.fixture
def keep(tmp_path) -> Keep:
    return Keep("fit", tmp_path / "unfinished", tmp_path / "cache")


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "some" / "value.npz"
    save_kept(path, square(3))
    return path


def test_a_value_is_read_as_it_was_written(path):
    found = load_kept(path, Square)
    assert found.number == 3
    assert found.about == "made"
    assert found.pixels.dtype == np.float32
    np.testing.assert_array_equal(found.pixels, square(3).pixels)
    assert kept(path, Square, lambda: square(4)).number == 3
    assert list(path.parent.iterdir()) == [path]


def test_what_is_not_there_is_made_and_written(tmp_path):
    path = tmp_path / "new" / "value.npz"
    assert load_kept(path, Square) is None
    assert kept(path, Square, lambda: square(4)).number == 4
    assert load_kept(path, Square).number == 4


@pytest.mark.parametrize("length", [0, 1, 100, -30, -1])
def test_a_file_that_was_cut_short_counts_as_absent(path, length):
    path.write_bytes(path.read_bytes()[:length])
    assert load_kept(path, Square) is None
    assert kept(path, Square, lambda: square(5)).number == 5
    assert load_kept(path, Square).number == 5


def test_a_file_with_any_other_byte_is_right_or_counts_as_absent(path):
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        found = load_kept(path, Square)
        if found is not None:  # a time stamp, say
            assert found.number == 3
            np.testing.assert_array_equal(found.pixels, square(3).pixels)


def test_a_file_of_zeros_counts_as_absent(path):
    path.write_bytes(bytes(path.stat().st_size))
    assert load_kept(path, Square) is None


def test_nothing_is_pickled(tmp_path):
    class Sly(NamedTuple):
        thing: np.ndarray

    with pytest.raises(ValueError, match="Object arrays"):
        save_kept(tmp_path / "sly.npz", Sly(np.array([{1}], object)))
    np.savez(tmp_path / "sly.npz", thing=np.array([{1}], object))
    assert load_kept(tmp_path / "sly.npz", Sly) is None
    assert parts(tmp_path) == []


def test_a_full_disk_is_a_sentence_and_leaves_nothing(path, monkeypatch):
    def fsync(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutputError, match=r"No space left on device\); free space"):
        save_kept(path, square(9), sync=True)
    assert load_kept(path, Square).number == 3
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("workers", [1, 3])
def test_tasks_are_worked_on_once(keep, workers):
    first, second = Squaring(), Squaring()
    assert run(first, keep, 12, workers) == ([i**2 for i in range(12)], [])
    assert run(second, keep, 20, workers) == ([i**2 for i in range(20)], [])
    assert sorted(first.done) == list(range(12))
    assert sorted(second.done) == list(range(12, 20))
    assert parts(keep.unfinished) == []


def test_what_another_function_gave_is_removed(keep):
    run(Squaring(), keep)
    again = Squaring(offset=1)
    assert run(again, keep)[0] == [(i + 1) ** 2 for i in range(20)]
    assert len(again.done) == 20
    assert len(list(keep.unfinished.iterdir())) == 1


def test_a_task_that_is_sent_away_is_small(keep):
    import pickle

    sent = pickle.dumps(Keeping(Squaring(), keep.unfinished))
    assert len(sent) < 1000
    assert pickle.loads(sent)(3).number == 3


# --- tasks that fail ---------------------------------------------------------------


def test_a_few_failures_are_noted_and_the_rest_goes_on(keep, caplog):
    collected, lost = run(Squaring(fails=(3, 7)), keep)
    assert collected == [i**2 for i in range(20) if i not in (3, 7)]
    assert lost == [3, 7]
    assert [f.place for f in keep.failures] == ["number 3", "number 7"]
    assert keep.failures[0].cause == "number 3 is damaged"
    assert keep.failures[0].stage == "fit"
    assert "fit: number 3 could not be worked on and is left out" in caplog.text


def test_only_what_failed_is_tried_again(keep):
    run(Squaring(fails=(3, 7)), keep)
    again = Squaring()
    assert run(again, keep)[0] == [i**2 for i in range(20)]
    assert again.done == [3, 7]


def test_too_many_failures_end_it_with_the_first_cause(keep):
    with pytest.raises(InputError, match="number 3 is damaged"):
        run(Squaring(fails=(3, 7, 9)), keep)


@pytest.mark.parametrize(("n", "ends"), [(1, True), (2, False)])
def test_one_failure_is_too_many_only_if_it_is_all(keep, n, ends):
    if ends:
        with pytest.raises(InputError, match="number 0"):
            run(Squaring(fails=(0,)), keep, n)
    else:
        assert run(Squaring(fails=(0,)), keep, n) == ([1], [0])


def test_without_a_place_to_keep_it_a_failure_is_an_error():
    with pytest.raises(InputError, match="number 3 is damaged"):
        run(Squaring(fails=(3,)), None)
