"""What a movie says about a parameter: a value, its spread and the evidence.

A proposal carries its evidence: a sentence with the numbers, and a small curve to draw.
One that is not confident is a fallback, and its sentence says why. They are made in
`napari_cnmf.cnmf.proposals`.
"""

from __future__ import annotations

from dataclasses import dataclass

# Full names of the parameters that are proposed.
HALF_SIZE = "init.neuron_half_size_px"
DECAY = "acquisition.decay_time_s"
RISE = "acquisition.rise_time_s"
PATCH = "patches.patch_size_px"
OVERLAP = "patches.patch_overlap_px"
COMPONENTS = "patches.max_components"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a movie says about one parameter.

    Attributes
    ----------
    parameter : str
        Its full name, ``group.name``.
    value : float
        What is proposed, in the parameter's unit.
    low, high : float
        What it may as well be; for sizes and times the middle half of the cells.
    confident : bool
        Whether the movie tells it; else the value is a fallback.
    evidence : str
        One sentence with the numbers, or with the reason why the movie cannot tell.
    curve_x, curve_y : tuple of float
        Points of a curve that shows the evidence; may be empty.
    x_label, y_label : str
        What the curve's axes are.
    """

    parameter: str
    value: float
    low: float
    high: float
    confident: bool
    evidence: str
    curve_x: tuple[float, ...] = ()
    curve_y: tuple[float, ...] = ()
    x_label: str = ""
    y_label: str = ""

    @classmethod
    def plain(
        cls, parameter: str, value: float, evidence: str, *, confident: bool = True
    ) -> Proposal:
        """Return a proposal without spread and curve."""
        return cls(parameter, value, value, value, confident, evidence)

    @property
    def unit(self) -> str:
        """Unit of the value, "" of a number of components."""
        suffix = self.parameter.rpartition("_")[2]
        return suffix if suffix in {"px", "s"} else ""

    @property
    def in_words(self) -> str:
        """The value with its unit, and its range if it has one."""
        unit = f" {self.unit}" if self.unit else ""
        value, low, high = (f"{x:.3g}" for x in (self.value, self.low, self.high))
        spread = f" ({low} to {high})" if low != high else ""
        return f"{value}{unit}{spread}"
