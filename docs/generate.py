"""Texts of these pages that are made from the code, so that they never go stale.

A page holds a mark such as ``<!-- parameter tables -->``; `conf.py` puts the text in
its place when the page is read. The tables come from the fields of the parameter
classes, the translation of CaImAn's parameters from what `Recipe.from_caiman` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from napari_cnmf.formats.exchange.caiman_parameters import settings_from_caiman
from napari_cnmf.parameters import AUTO, Parameters, base_type, constraint
from napari_cnmf.recipe import Recipe

ROOT = Path(__file__).parents[1]

#: The dictionary of the pipeline notebook, value by value.
NOTEBOOK: dict[str, Any] = {
    "fr": 30,
    "dxy": (2.0, 2.0),
    "decay_time": 0.4,
    "strides": (48, 48),
    "overlaps": (24, 24),
    "max_shifts": (6, 6),
    "max_deviation_rigid": 3,
    "pw_rigid": True,
    "p": 1,
    "nb": 2,
    "rf": 15,
    "K": 4,
    "gSig": (4, 4),
    "gSiz": (9, 9),
    "stride": 6,
    "method_init": "greedy_roi",
    "rolling_sum": True,
    "only_init": True,
    "ssub": 1,
    "tsub": 1,
    "merge_thr": 0.85,
    "bas_nonneg": False,
    "min_SNR": 2.0,
    "rval_thr": 0.85,
    "use_cnn": True,
    "min_cnn_thr": 0.99,
    "cnn_lowest": 0.1,
}

#: Why a name of the notebook has no equivalent here.
WITHOUT_EQUIVALENT = {
    "nb": "Our background serves, which follows neuropil on a grid. Ask for "
    '`background.model = "low_rank"` and `background.rank` to have CaImAn\'s.',
    "gSiz": "Follows from `init.neuron_half_size_px`.",
    "method_init": "Our search serves, which is more accurate. Ask for "
    '`init.method = "variance"` to have CaImAn\'s.',
    "rolling_sum": "Part of CaImAn's search (`init.rolling_bins`).",
    "only_init": "Patches are always refined.",
    "tsub": "Time bins are told in seconds: `store.bin_s`. For coarser ones in the "
    "search alone ask for `init.time_bins`.",
}


def parameter_tables() -> str:
    """One table per group of parameters."""
    return "\n\n".join(_group_table(group) for group in _groups())


def caiman_names() -> str:
    """CaImAn's names beside ours, by CaImAn's group."""
    parameters = _parameters()
    named = sorted((theirs, ours) for ours, theirs in _names().items())
    rows = [
        (f"`{theirs}`", _link(ours), _default(parameters[ours]))
        for theirs, ours in named
        if theirs != "new"
    ]
    return _table(("In CaImAn", "Here", "Our default"), rows)


def notebook_parameters() -> str:
    """Tell what becomes of each value of the notebook's dictionary."""
    rows = []
    for name, value in NOTEBOOK.items():
        settings, unknown = settings_from_caiman({name: value}, _names())
        ours = [f"`{key} = {_written(found)}`" for key, found in settings.items()]
        text = WITHOUT_EQUIVALENT[name] if unknown else ", ".join(ours)
        rows.append((f"`{name} = {value!r}`", text))
    return _table(("In the notebook", "Here"), rows)


def changelog() -> str:
    """Return the changelog of the repository."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def contributing() -> str:
    """Return how to contribute, with links that hold among these pages."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for target, page in {
        "[README](README.md)": "README",
        "[benchmarks](benchmarks/README.md)": "benchmarks",
        "(CHANGELOG.md)": "(changelog.md)",
    }.items():
        text = text.replace(target, page)
    return text


TEXTS: dict[str, Callable[[], str]] = {
    "<!-- parameter tables -->": parameter_tables,
    "<!-- CaImAn's names -->": caiman_names,
    "<!-- the notebook's parameters -->": notebook_parameters,
    "<!-- CHANGELOG.md -->": changelog,
    "<!-- CONTRIBUTING.md -->": contributing,
}


def _groups() -> list[Parameters]:
    """All groups, with their defaults."""
    return list(Recipe().groups())


def _group_table(group: Parameters) -> str:
    """Heading, meaning and table of one group."""
    about = (type(group).__doc__ or "").splitlines()[0]
    rows = [_row(group, item) for item in fields(group)]
    head = ("Parameter", "Default", "Allowed", "What it is", "In CaImAn")
    return f"## {group.group}\n\n{about}\n\n{_table(head, rows)}"


def _parameters() -> dict[str, Field[Any]]:
    """Every parameter by its full name."""
    return {
        f"{group.group}.{item.name}": item
        for group in _groups()
        for item in fields(group)
    }


def _names() -> dict[str, str]:
    """CaImAn's name of every parameter, "new" if there is none."""
    return {name: item.metadata["caiman"] for name, item in _parameters().items()}


def _row(group: Parameters, item: Field[Any]) -> tuple[str, ...]:
    """One parameter, the rarely needed ones marked."""
    about = item.metadata
    allowed = constraint(item, *base_type(type(group), item.name))
    rare = " *(advanced)*" if about["advanced"] else ""
    caiman = "" if about["caiman"] == "new" else f"`{about['caiman']}`"
    return f"`{item.name}`{rare}", _default(item), allowed, about["doc"], caiman


def _default(item: Field[Any]) -> str:
    """Default of a parameter with its unit."""
    unit = item.metadata["unit"]
    text = _written(item.default)
    return text if unit == "none" or text == AUTO else f"{text} {unit}"


def _written(value: Any) -> str:
    """Value as a reader writes it."""
    if value is None:
        return AUTO
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _link(name: str) -> str:
    """Name of a parameter, linked to its group on the page of all parameters."""
    return f"[`{name}`](parameters.md#{name.split('.')[0]})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
