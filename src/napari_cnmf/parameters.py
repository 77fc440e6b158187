"""How a parameter is written down: once, with all that is known about it.

A stage's parameters are a frozen dataclass whose fields are made by `param`. The
checks, the command line, the recipe file, the forms and the documentation are all
derived from these fields.
"""

from __future__ import annotations

import math
import types
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from napari_cnmf.errors import ParameterError


def param(  # noqa: PLR0913 - one argument per thing known about a field
    default: Any,
    doc: str,
    *,
    unit: str = "none",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str | int, ...] = (),
    caiman: str = "new",
    advanced: bool = False,
) -> Any:
    """Describe one field of a `Parameters` class.

    Parameters
    ----------
    default : object
        Its type must fit the annotation. None means "auto" and needs ``| None`` there.
    doc : str
        What it is and what happens when it is raised.
    unit : str
        Physical unit, also the suffix of the name; ``"none"`` for pure numbers.
    low, high : float, optional
        Limits, both allowed values themselves.
    choices : tuple, optional
        The allowed words or numbers, if these are few.
    caiman : str
        CaImAn's name for it, or ``"new"``.
    advanced : bool
        Whether a form folds it away.
    """
    about = {
        "doc": doc,
        "unit": unit,
        "low": low,
        "high": high,
        "choices": choices,
        "caiman": caiman,
        "advanced": advanced,
    }
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Base of all parameter groups: checks every field at construction."""

    group: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Check types and limits; turn whole numbers into floats where wanted."""
        hints = get_type_hints(type(self))
        for item in fields(self):
            value = getattr(self, item.name)
            checked = check(self.group, item, hints[item.name], value)
            object.__setattr__(self, item.name, checked)

    def to_dict(self) -> dict[str, Any]:
        """Names and values, in the order of the class."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


def check(group: str, item: Field[Any], kind: Any, value: Any) -> Any:
    """Return `value` in the field's type, or raise a sentence about it.

    Raises
    ------
    ParameterError
        If the value has another type, is not finite, or lies outside the limits.
    """
    base, optional = without_none(kind)
    if value is None and optional:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if base is float and type(value) is int:
        value = float(value)
    if type(value) is not base or not _allowed(item, value):
        allowed = constraint(item, base, optional)
        raise ParameterError(
            f"The '{group}.{item.name}' parameter must be {allowed}. Got {value!r} "
            "instead."
        )
    return value


def _allowed(item: Field[Any], value: Any) -> bool:
    """Whether a value of the right type is finite and within the limits."""
    about = item.metadata
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if about["choices"]:
        return value in about["choices"]
    too_low = about["low"] is not None and value < about["low"]
    too_high = about["high"] is not None and value > about["high"]
    return not (too_low or too_high)


def constraint(item: Field[Any], base: type, optional: bool) -> str:
    """Say in words which values a field takes."""
    about = item.metadata
    unit = "" if about["unit"] == "none" else f" {about['unit']}"
    names = {int: "a whole number", float: "a number", bool: "true or false"}
    words = names.get(base, "a text")
    low, high = about["low"], about["high"]
    if about["choices"]:
        words = "one of " + ", ".join(str(choice) for choice in about["choices"])
    elif low is not None and high is not None:
        words += f" from {low:.12g} to {high:.12g}{unit}"
    elif low is not None:
        words += f" of at least {low:.12g}{unit}"
    elif high is not None:
        words += f" of at most {high:.12g}{unit}"
    return words + (', or "auto"' if optional else "")


def base_type(cls: type[Parameters], name: str) -> tuple[type, bool]:
    """Type of a field without its None, and whether None ("auto") is allowed."""
    return without_none(get_type_hints(cls)[name])


def without_none(kind: Any) -> tuple[Any, bool]:
    """Split an annotation ``X | None`` into X and whether None is allowed."""
    if get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in get_args(kind) if part is not type(None)]
        return parts[0], True
    return kind, False
