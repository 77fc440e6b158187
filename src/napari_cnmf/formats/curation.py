"""Verdicts beside a result file: what changes often, apart from what is large.

While a user curates, every decision is written at once to a small JSON file next to
the result file, which may hold gigabytes and stays as it is. Reading the result
applies the verdicts; writing it anew takes them in and only then removes the small
file, so that a kill at any moment loses none of them. The file names the evaluation
that it belongs to, and is left aside if the result holds another.
"""

from __future__ import annotations

import json
import logging
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cnmf.components import Components, Quality
from napari_cnmf.errors import MissingStageError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.provenance import digest

if TYPE_CHECKING:
    from napari_cnmf.formats.results import Result

FORMAT = "napari-cnmf curation"
VERSION = 1

logger = logging.getLogger(__name__)

#: The group of parameters that verdicts follow from, as `Recipe.to_toml` writes it.
_QUALITY_GROUP = re.compile(r"^\[quality\]\n.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, eq=False)
class Curation:
    """Verdicts of one evaluation.

    Attributes
    ----------
    evaluation : str
        SHA-256 that tells the evaluation from any other.
    rule : str
    limits : dict
    flags, manual : ndarray
        As in `Quality`.
    recipe : str
        The group ``[quality]`` of the recipe, in TOML.
    """

    evaluation: str
    rule: str
    limits: dict[str, float]
    flags: np.ndarray
    manual: np.ndarray
    recipe: str


def curation_path(results_path: str | Path) -> Path:
    """Return where the verdicts of a result file lie: ``results.curation.json``."""
    return Path(results_path).with_suffix(".curation.json")


def save_curation(result: Result, results_path: str | Path) -> None:
    """Write the verdicts of a result beside its file, which is not touched.

    Parameters
    ----------
    result : Result
        Evaluated; its rule, limits, flags, decisions by hand and the recipe's group
        ``[quality]`` are written.
    results_path : path
        The result file.

    Raises
    ------
    MissingStageError
        If the result was not evaluated.
    OutputError
        If the file cannot be written.
    """
    components, quality = _evaluated(result)
    group = _QUALITY_GROUP.search(result.recipe)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "evaluation": _evaluation(result),
        "rule": quality.rule,
        "limits": quality.limits,
        "ids": components.ids.tolist(),
        "flags": quality.flags.tolist(),
        "manual": quality.manual.tolist(),
        "recipe": group[0] if group else "",
    }
    with replacing(curation_path(results_path)) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")


def with_curation(result: Result, results_path: str | Path) -> Result:
    """Apply the verdicts beside a result file, if there are any and they fit.

    What cannot be read, or belongs to another evaluation, is left aside with a
    warning.
    """
    path = curation_path(results_path)
    if not path.exists():
        return result
    curation = _read(path)
    if curation is None:
        return result
    if not _fits(curation, result):
        logger.warning(
            "%s holds decisions on other cells than %s and is left aside; put the "
            "result file back that it was made with, or delete it",
            path,
            Path(results_path).name,
        )
        return result
    return _applied(curation, result)


@contextmanager
def folded_in(result: Result, results_path: Path) -> Iterator[Result]:
    """Give the result with the verdicts beside its file, for it to be written anew.

    When the block ends well the small file is removed, unless something was decided
    in the meantime.
    """
    path = curation_path(results_path)
    before = _content(path)
    curation = _read(path) if before else None
    if curation is not None and _fits(curation, result):
        result = _applied(curation, result)
    yield result
    if before and _content(path) == before:
        path.unlink()


def _evaluated(result: Result) -> tuple[Components, Quality]:
    """Components and quality of a result."""
    components = result.components
    if components is None or components.quality is None:
        raise MissingStageError("The result is not evaluated yet; run 'evaluate'.")
    return components, components.quality


def _evaluation(result: Result) -> str:
    """Tell one evaluation from all others: its cells, and its record with the time."""
    records = [asdict(r) for r in result.stages if r.stage == "evaluate"]
    for record in records:
        del record["finished"]  # older packages did not note it
    ids = () if result.components is None else result.components.ids.tolist()
    return digest(ids, records)


def _content(path: Path) -> bytes:
    """Return what a file holds; nothing if it is not there."""
    return path.read_bytes() if path.exists() else b""


def _read(path: Path) -> Curation | None:
    """Read a curation file; one that is damaged gives a warning."""
    try:
        return _parsed(json.loads(path.read_text(encoding="utf-8")))
    except (
        OSError,
        ArithmeticError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        logger.warning(
            "the decisions in %s cannot be read (%s) and are left aside; copy the file "
            "again, or delete it",
            path,
            error,
        )
        return None


def _parsed(content: dict[str, Any]) -> Curation:
    """Check the content of a curation file."""
    if content["format"] != FORMAT or content["version"] > VERSION:
        raise ValueError(f"{content['format']} of version {content['version']}")
    curation = Curation(
        evaluation=content["evaluation"],
        rule=content["rule"],
        limits=dict(content["limits"]),
        flags=np.asarray(content["flags"], np.int32),
        manual=np.asarray(content["manual"], np.int8),
        recipe=content["recipe"],
    )
    tomllib.loads(curation.recipe)
    shapes = {(len(content["ids"]),), curation.flags.shape, curation.manual.shape}
    if len(shapes) > 1:
        raise ValueError("its lists differ in length")
    return curation


def _fits(curation: Curation, result: Result) -> bool:
    """Whether the verdicts are about what the result holds."""
    components = result.components
    return (
        components is not None
        and components.quality is not None
        and len(components) == len(curation.manual)
        and curation.evaluation == _evaluation(result)
    )


def _applied(curation: Curation, result: Result) -> Result:
    """Put the verdicts in place of those that the result has."""
    components, quality = _evaluated(result)
    quality = replace(
        quality,
        rule=curation.rule,
        limits=curation.limits,
        flags=curation.flags,
        manual=curation.manual,
    )
    return replace(
        result,
        components=replace(components, quality=quality),
        recipe=_QUALITY_GROUP.sub(lambda _: curation.recipe, result.recipe),
    )
