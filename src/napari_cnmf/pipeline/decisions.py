"""Decisions by hand outlive the stages that leave the components their ids.

A refit drops the scores, and the verdicts with them: until the next evaluation the
decisions wait in the result, by id.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_cnmf.formats.results import Result


def with_decisions(result: Result, earlier: Result) -> Result:
    """Carry decisions by hand over from an earlier result with the same ids."""
    decisions, components = _decisions(earlier), result.components
    if components is None:
        return result
    ids = [str(i) for i in components.ids.tolist()]
    if components.quality is None:
        kept = {i: decisions[i] for i in ids if i in decisions}
        return replace(result, decisions=kept or None)
    manual = np.array([decisions.get(i, 0) for i in ids], np.int8)
    quality = replace(components.quality, manual=manual)
    components = replace(components, quality=quality)
    return replace(result, components=components, decisions=None)


def _decisions(result: Result) -> dict[str, int]:
    """Return the decisions by hand of a result, evaluated or not."""
    components = result.components
    if components is None or components.quality is None:
        return result.decisions or {}
    pairs = zip(
        components.ids.tolist(), components.quality.manual.tolist(), strict=True
    )
    return {str(i): verdict for i, verdict in pairs if verdict}
