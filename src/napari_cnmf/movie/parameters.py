"""Parameters of the recording and of what is read of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param

#: Decay and rise time in seconds that work in practice; None is to be estimated.
INDICATORS: dict[str, tuple[float | None, float]] = {
    "gcamp6f": (0.5, 0.08),
    "gcamp6m": (0.8, 0.12),
    "gcamp6s": (1.2, 0.18),
    "gcamp7f": (0.6, 0.08),
    "gcamp8f": (0.25, 0.02),
    "gcamp8m": (0.3, 0.03),
    "gcamp8s": (0.5, 0.03),
    "jrgeco1a": (0.7, 0.1),
    "ogb1": (0.8, 0.05),
    "estimate": (None, 0.08),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionParameters(Parameters):
    """What the microscope and the indicator were."""

    group: ClassVar[str] = "acquisition"

    frame_rate_hz: float | None = param(
        None,
        "Frames per second of this plane. Auto takes it from the file.",
        unit="Hz",
        low=0.1,
        high=10_000,
        caiman="data.fr",
    )
    pixel_size_um: float | None = param(
        None,
        "Side of a pixel. Auto takes it from the file; used for reports and exports.",
        unit="um",
        low=0.01,
        high=1000,
        caiman="data.dxy",
    )
    indicator: str = param(
        "gcamp6f",
        "Sets decay and rise time where these are auto; 'estimate' measures the decay "
        "time on the clearest cells of the movie.",
        choices=tuple(INDICATORS),
    )
    decay_time_s: float | None = param(
        None,
        "Decay time of a calcium transient (to 1/e). Auto takes the indicator's.",
        unit="s",
        low=0.01,
        high=20,
        caiman="data.decay_time",
    )
    rise_time_s: float | None = param(
        None,
        "Rise time of a calcium transient. Auto takes the indicator's.",
        unit="s",
        low=0.0,
        high=5,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InputParameters(Parameters):
    """Which part of the file is read."""

    group: ClassVar[str] = "input"

    dataset: str | None = param(
        None,
        "Name of the dataset in an HDF5 file. Auto takes the only one that fits.",
        caiman="data.var_name_hdf5",
    )
    channel: int | None = param(
        None,
        "Channel to read, counted from 0, of a file with several.",
        low=0,
        high=100,
    )
    plane: int | None = param(
        None, "Plane to read, counted from 0, of a file with several.", low=0, high=1000
    )
    first_frame: int = param(
        0, "First frame to use.", unit="frames", low=0, high=10**9, caiman="subindices"
    )
    last_frame: int | None = param(
        None,
        "Frame to stop before. Auto reads to the end.",
        unit="frames",
        low=1,
        high=10**9,
        caiman="subindices",
    )
    frame_step: int = param(
        1, "Use every n-th frame.", low=1, high=1000, caiman="subindices"
    )
    per_file: bool = param(
        False,
        "Whether first frame, last frame and step are those of each file of a "
        "recording, instead of the whole recording's. A file that ends before is read "
        "to its end.",
        caiman="subindices",
    )
    top: int = param(0, "Rows to leave out at the top.", unit="px", low=0, high=100_000)
    bottom: int = param(
        0, "Rows to leave out at the bottom.", unit="px", low=0, high=100_000
    )
    left: int = param(
        0, "Columns to leave out at the left.", unit="px", low=0, high=100_000
    )
    right: int = param(
        0, "Columns to leave out at the right.", unit="px", low=0, high=100_000
    )
    resample_space: float = param(
        1.0,
        "Pixels along a side for each one recorded, as means over areas: 0.5 averages "
        "squares of 2 x 2. Lower is faster and less noisy, and blurs small cells.",
        low=0.01,
        high=1.0,
        caiman="movie.resize(fx, fy)",
    )
    resample_time: float = param(
        1.0,
        "Frames for each one recorded, as means over time: 0.5 averages pairs. The "
        "frame rate follows.",
        low=0.01,
        high=1.0,
        caiman="movie.resize(fz)",
    )
    max_missing: float = param(
        0.2,
        "Largest share of frames, and of pixels, that may be NaN.",
        low=0.0,
        high=1.0,
        advanced=True,
    )

    @property
    def origin(self) -> tuple[float, float, float]:
        """Where the first frame and pixel of the part lie in the movie.

        Counted in frames, rows and columns of the part. An average lies in the middle
        of what it is the average of.
        """
        frame = self.first_frame / self.frame_step
        return (
            _averaged(frame, self.resample_time),
            _averaged(self.top, self.resample_space),
            _averaged(self.left, self.resample_space),
        )


def _averaged(first: float, factor: float) -> float:
    """Return where means lie, counted in these, that begin at some place."""
    return first * factor + (1 - factor) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreParameters(Parameters):
    """How the registered movie is kept."""

    group: ClassVar[str] = "store"

    bin_s: float = param(
        0.1,
        "Length of the time bins in which cells are searched for and outlined. "
        "Longer is faster and coarser; a fifth of the decay time loses little.",
        unit="s",
        low=0.0,
        high=10,
        caiman="init.tsub",
    )
    noise_steps: float = param(
        16.0,
        "Steps of the stored values per standard deviation of the noise.",
        low=2,
        high=1000,
        advanced=True,
    )
