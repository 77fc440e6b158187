"""The garbage collector passes over what is loaded, and over no more."""

from __future__ import annotations

import gc
import weakref

import pytest

from napari_cnmf.compute.collector import short_collections


class Ring:
    """An object that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_there_waits_and_what_is_new_is_collected():
    gc.collect()
    old = weakref.ref(Ring())
    with short_collections():
        new = weakref.ref(Ring())
        gc.collect()
        assert old() is not None
        assert new() is None
    gc.collect()
    assert old() is None


def test_an_error_ends_it_too():
    with pytest.raises(ZeroDivisionError), short_collections():
        _ = 1 / 0
    assert gc.get_freeze_count() == 0
