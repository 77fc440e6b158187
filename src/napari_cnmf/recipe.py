"""All parameters of a run in one value, and its file.

A recipe has one field per parameter group; names are written ``group.name``. Files
are TOML, written by hand so that every parameter stands under its description. What
a group knows of its fields (type, limits, help, CaImAn's name) is all that is used.
"""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from napari_cnmf.baseline import DffParameters
from napari_cnmf.cnmf.parameters import (
    BackgroundParameters,
    CnmfParameters,
    InitParameters,
    MergeParameters,
    PatchParameters,
    SpatialParameters,
    TemporalParameters,
)
from napari_cnmf.cnmf.proposals.resolve import resolved
from napari_cnmf.errors import MissingFileError, ParameterError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.exchange.caiman_parameters import settings_from_caiman
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.movie.damage import named_damage
from napari_cnmf.movie.parameters import (
    INDICATORS,
    AcquisitionParameters,
    InputParameters,
    StoreParameters,
)
from napari_cnmf.parameters import (
    AUTO,
    ParameterGroups,
    Parameters,
    base_type,
    constraint,
)
from napari_cnmf.proposal import Proposal
from napari_cnmf.provenance import digest
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.summary.parameters import SummaryParameters

_HEADING = "# Recipe of napari-cnmf. What is left out keeps its default.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(ParameterGroups):
    """Every parameter of every stage; the default is a good start.

    Examples
    --------
    >>> recipe = Recipe().with_settings(["acquisition.frame_rate_hz=15"])
    >>> recipe.acquisition.frame_rate_hz
    15.0
    """

    acquisition: AcquisitionParameters = field(default_factory=AcquisitionParameters)
    input: InputParameters = field(default_factory=InputParameters)
    store: StoreParameters = field(default_factory=StoreParameters)
    motion: MotionParameters = field(default_factory=MotionParameters)
    summary: SummaryParameters = field(default_factory=SummaryParameters)
    patches: PatchParameters = field(default_factory=PatchParameters)
    init: InitParameters = field(default_factory=InitParameters)
    spatial: SpatialParameters = field(default_factory=SpatialParameters)
    background: BackgroundParameters = field(default_factory=BackgroundParameters)
    merge: MergeParameters = field(default_factory=MergeParameters)
    temporal: TemporalParameters = field(default_factory=TemporalParameters)
    quality: QualityParameters = field(default_factory=QualityParameters)
    dff: DffParameters = field(default_factory=DffParameters)

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe file.

        Raises
        ------
        MissingFileError
            If there is none.
        InputError
            If it is not TOML.
        ParameterError
            If a parameter is unknown or its value is not allowed.
        """
        path = Path(path)
        if not path.exists():
            raise MissingFileError(f"There is no recipe file {path}.")
        remedy = "correct it, or print a fresh one with 'napari-cnmf recipe'"
        with named_damage(str(path), "a recipe", remedy):
            return cls.from_toml(path.read_text(encoding="utf-8"))

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Build a recipe from TOML; what is left out has its default."""
        settings: dict[str, Any] = {}
        for group, values in tomllib.loads(text).items():
            if not isinstance(values, dict):
                raise ParameterError(
                    f"'{group}' stands outside of any group in the recipe: put it "
                    "below a line such as [motion]."
                )
            settings |= {f"{group}.{name}": value for name, value in values.items()}
        return cls().with_settings(settings)

    @classmethod
    def from_caiman(cls, values: Mapping[str, Any]) -> tuple[Recipe, list[str]]:
        """Build a recipe from CaImAn's parameters.

        Parameters
        ----------
        values : mapping
            CaImAn's flat dictionary, or its groups of parameters.

        Returns
        -------
        recipe : Recipe
            Sizes and units converted. With CaImAn's limits of quality comes its rule.
        unknown : list of str
            Keys that have no equivalent here.

        Raises
        ------
        ParameterError
            If a value is not allowed.
        """
        names = {name: item.metadata["caiman"] for name, item in cls.known().items()}
        settings, unknown = settings_from_caiman(values, names)
        return cls().with_settings(settings), unknown

    def to_toml(self) -> str:
        """Write the recipe as commented TOML; parameters on auto are commented out."""
        parts = [_HEADING]
        for group in self.groups():
            title = (type(group).__doc__ or "").splitlines()[0]
            parts.append(f"\n# {title}\n[{group.group}]\n")
            parts += [_entry(group, item) for item in fields(group)]
        return "".join(parts)

    def save(self, path: str | Path) -> None:
        """Write the recipe file; an older one is replaced when the new one is whole."""
        with replacing(Path(path)) as temporary:
            temporary.write_text(self.to_toml(), encoding="utf-8")

    def differences(self, other: Recipe) -> list[tuple[str, str, str]]:
        """Full name, value here and value in another recipe of what differs."""
        return [
            (f"{group}.{name}", _toml(value), _toml(theirs))
            for group, values in self.to_dict().items()
            for name, value in values.items()
            if value != (theirs := getattr(getattr(other, group), name))
        ]

    def diff(self, other: Recipe) -> list[str]:
        """Say what differs from another recipe, one line per parameter."""
        return [
            f"{name}: {here} here, {there} there"
            for name, here, there in self.differences(other)
        ]

    def digest(self) -> str:
        """SHA-256 of all values."""
        return digest(self.to_dict())

    def cnmf(self, proposals: Iterable[Proposal] = ()) -> CnmfParameters:
        """Gather what the factorisation needs, the indicator's kinetics resolved.

        Parameters
        ----------
        proposals : iterable of Proposal
            From `propose`, for what is on auto.
        """
        acquisition = self.acquisition
        decay_s, rise_s = INDICATORS[acquisition.indicator]
        if acquisition.decay_time_s is not None:
            decay_s = acquisition.decay_time_s
        if acquisition.rise_time_s is not None:
            rise_s = acquisition.rise_time_s
        parameters = CnmfParameters(
            patches=self.patches,
            init=self.init,
            spatial=self.spatial,
            background=self.background,
            merge=self.merge,
            temporal=self.temporal,
            decay_s=decay_s,
            rise_s=rise_s,
        )
        return resolved(parameters, proposals)


def _entry(group: Parameters, item: Field[Any]) -> str:
    """One parameter with its description above it."""
    about = item.metadata
    allowed = constraint(item, *base_type(type(group), item.name))
    caiman = "" if about["caiman"] == "new" else f" In CaImAn: {about['caiman']}."
    text = f"{about['doc']} {allowed[0].upper()}{allowed[1:]}.{caiman}"
    comment = textwrap.fill(text, width=88, initial_indent="# ", subsequent_indent="# ")
    value = getattr(group, item.name)
    hidden = "# " if value is None and item.default is None else ""
    return f"\n{comment}\n{hidden}{item.name} = {_toml(value)}\n"


def _toml(value: Any) -> str:
    """Write a value in TOML."""
    if value is None:
        return f'"{AUTO}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _quoted(value)
    return repr(value)


def _quoted(text: str) -> str:
    """Write a text as a basic string of TOML."""
    plain = "".join(
        f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c
        for c in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{plain}"'
