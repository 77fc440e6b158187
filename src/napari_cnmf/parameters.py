"""How a parameter is written down: once, with all that is known about it.

A stage's parameters are a frozen dataclass whose fields are made by `param`. The
checks, the command line, the recipe file, the forms and the documentation are all
derived from these fields.
"""

from __future__ import annotations

import difflib
import math
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

import numpy as np

from napari_cnmf.errors import ParameterError

AUTO = "auto"


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
        hints = _types_of(type(self))
        for item in fields(self):
            value = getattr(self, item.name)
            checked = check(self.group, item, hints[item.name], value)
            object.__setattr__(self, item.name, checked)

    def to_dict(self) -> dict[str, Any]:
        """Names and values, in the order of the class."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


class ParameterGroups:
    """Base of dataclasses that have one field per parameter group.

    Parameters are named ``group.name``.
    """

    __slots__ = ()

    @classmethod
    def known(cls) -> dict[str, Field[Any]]:
        """Every parameter by its full name."""
        return {
            f"{group}.{item.name}": item
            for group, kind in get_type_hints(cls).items()
            for item in fields(kind)
        }

    def with_settings(self, settings: Mapping[str, Any] | Iterable[str]) -> Self:
        """Change some parameters.

        Parameters
        ----------
        settings : mapping or iterable of str
            Either ``{"group.name": value}``, or texts ``"group.name=value"`` with the
            value in TOML (a bare word is a text). The text "auto" leaves the choice
            to the program, where a parameter allows it.

        Raises
        ------
        ParameterError
            If a parameter is unknown or its value is not allowed.
        """
        are_texts = not isinstance(settings, Mapping)
        if not isinstance(settings, Mapping):
            settings = dict(_split(setting) for setting in settings)
        known = self.known()
        changes: dict[str, dict[str, Any]] = {}
        for full_name, given in settings.items():
            if full_name not in known:
                raise ParameterError(_unknown(full_name, known))
            group, name = full_name.split(".")
            base, optional = base_type(type(getattr(self, group)), name)
            value = _read(given, base) if are_texts else given
            value = None if optional and value == AUTO else value
            changes.setdefault(group, {})[name] = value
        return replace(
            self,  # type: ignore[type-var]
            **{
                group: replace(getattr(self, group), **values)
                for group, values in changes.items()
            },
        )

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain values by group and name, None for auto."""
        return {group.group: group.to_dict() for group in self.groups()}

    def groups(self) -> Iterator[Parameters]:
        """All parameter groups, in order."""
        return (getattr(self, name) for name in get_type_hints(type(self)))


def _unknown(full_name: str, known: Iterable[str]) -> str:
    """Sentence about an unknown parameter, with the nearest known one."""
    group, _, name = full_name.rpartition(".")
    by_name: dict[str, str] = {}
    for other in sorted(known, key=lambda other: other.startswith(f"{group}.")):
        by_name[other.split(".")[1]] = other
    near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.5)
    hint = (
        f"did you mean '{by_name[near[0]]}'?" if near else "see 'napari-cnmf recipe'."
    )
    return f"There is no parameter '{full_name}': {hint}"


def _split(setting: str) -> tuple[str, str]:
    """Split ``group.name=value``."""
    name, separator, text = setting.partition("=")
    if not separator:
        raise ParameterError(
            f"'{setting}' sets no parameter: write it as group.name=value."
        )
    return name.strip(), text.strip()


def _read(text: str, kind: type) -> Any:
    """Return the value of a text in TOML; where a text is wanted, any other as it is.

    A walltime of 01:00:00 would be a time of day in TOML.
    """
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return text if kind is str and not isinstance(value, str) else value


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
    return without_none(_types_of(cls)[name])


def _types_of(cls: type) -> dict[str, Any]:
    """Types of a class's fields; finding them out takes longer than checking values."""
    if cls not in _TYPES:
        _TYPES[cls] = get_type_hints(cls)
    return _TYPES[cls]


_TYPES: dict[type, dict[str, Any]] = {}


def without_none(kind: Any) -> tuple[Any, bool]:
    """Split an annotation ``X | None`` into X and whether None is allowed."""
    if get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in get_args(kind) if part is not type(None)]
        return parts[0], True
    return kind, False
