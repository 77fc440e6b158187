"""Parameter fields: each is documented, checked, and refused with a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import ClassVar, get_type_hints

import numpy as np
import pytest

from napari_cnmf.errors import ParameterError
from napari_cnmf.parameters import Parameters, base_type, constraint, param
from napari_cnmf.recipe import Recipe

GROUPS = get_type_hints(Recipe)
FIELDS = [(group, item) for group in GROUPS.values() for item in fields(group)]
UNITS = {"none", "px", "s", "Hz", "um", "sd", "%", "frames"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Parameters):
    """A group with one field of each kind."""

    group: ClassVar[str] = "sample"

    size_px: int = param(4, "Size.", unit="px", low=1, high=9)
    rate_hz: float | None = param(None, "Rate.", unit="Hz", low=0.5)
    share: float = param(0.5, "Share.", high=1.0)
    mode: str = param("fast", "Mode.", choices=("fast", "exact"))
    order: int = param(8, "Order.", choices=(8, 4))
    name: str | None = param(None, "Name.")
    on: bool = param(True, "Switch.")


@pytest.mark.parametrize(
    ("group", "item"), FIELDS, ids=[f"{g.group}.{i.name}" for g, i in FIELDS]
)
def test_every_parameter_is_documented(group, item):
    about = item.metadata
    base, _ = base_type(group, item.name)
    assert re.fullmatch(r"[A-Z'.].{8,}[.)]|.*\.\.\.", about["doc"]), "a sentence"
    assert about["unit"] in UNITS
    assert about["caiman"] == "new" or "." in about["caiman"] or about["caiman"]
    if base in (int, float):
        bounded = about["low"] is not None and about["high"] is not None
        assert bounded or about["choices"], "numbers have limits or choices"
    for unit in ("px", "s", "Hz", "um"):
        if item.name.lower().endswith(f"_{unit.lower()}"):
            assert about["unit"] == unit, "the suffix of the name is the unit"


def test_the_names_of_the_groups_are_the_names_in_the_recipe():
    assert {name: group.group for name, group in GROUPS.items()} == {
        name: name for name in GROUPS
    }


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("size_px", 0, "must be a whole number from 1 to 9 px. Got 0 instead."),
        ("size_px", 10, "from 1 to 9 px. Got 10 instead."),
        ("size_px", 4.0, "must be a whole number from 1 to 9 px. Got 4.0 instead."),
        ("size_px", True, "must be a whole number"),
        ("size_px", None, "Got None instead."),
        ("rate_hz", 0.1, 'must be a number of at least 0.5 Hz, or "auto".'),
        ("rate_hz", float("nan"), "Got nan instead."),
        ("rate_hz", float("inf"), "Got inf instead."),
        ("rate_hz", "4", "Got '4' instead."),
        ("share", 1.5, "must be a number of at most 1. Got 1.5 instead."),
        ("mode", "slow", "must be one of fast, exact. Got 'slow' instead."),
        ("order", 6, "must be one of 8, 4. Got 6 instead."),
        ("name", 3, 'must be a text, or "auto". Got 3 instead.'),
        ("on", 1, "must be true or false. Got 1 instead."),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_expected(name, value, sentence):
    with pytest.raises(ParameterError) as caught:
        Sample(**{name: value})
    assert f"The 'sample.{name}' parameter" in str(caught.value)
    assert sentence in str(caught.value)


def test_limits_themselves_are_allowed():
    assert (Sample(size_px=1).size_px, Sample(size_px=9).size_px) == (1, 9)


def test_whole_numbers_become_floats_where_floats_are_wanted():
    value = Sample(rate_hz=30).rate_hz
    assert value == 30
    assert type(value) is float


def test_numbers_of_numpy_become_plain_ones():
    sample = Sample(size_px=np.int64(3), share=np.float32(0.5), on=np.True_)
    assert [type(v) for v in (sample.size_px, sample.share, sample.on)] == [
        int,
        float,
        bool,
    ]


def test_none_is_auto_where_it_is_allowed():
    assert Sample(rate_hz=None, name=None).to_dict()["rate_hz"] is None


def test_parameters_cannot_be_changed():
    with pytest.raises(AttributeError):
        Sample().share = 0.1


def test_large_limits_are_written_out():
    item = next(i for i in fields(GROUPS["input"]) if i.name == "first_frame")
    assert "1000000000 frames" in constraint(item, int, False)
