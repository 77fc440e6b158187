"""How well the frames of a movie were registered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_cnmf.movie.images import SummaryImages

#: What may be wrong with a frame after registration; bit i of its flags.
FRAME_REASONS = ("shift at the limit", "unlike the template", "no signal")

#: Largest share of the frames that is left out.
MOST_LEFT_OUT = 0.2


@dataclass(frozen=True, eq=False)
class Registration:
    """What the registration did for the movie, frame by frame and on the whole.

    Attributes
    ----------
    before : SummaryImages
        Of the movie as recorded; compare with those of the registered movie.
    correlation_before, correlation_after : ndarray
        (T,) float32, Pearson correlation of each frame with the template, over the
        pixels that are seen whatever the shift.
    residual_before, residual_after : ndarray
        (B,) float32, px: rms over patches of the displacement from the template that
        is left in the mean of each run of `bin_frames` frames.
    bin_frames : int
        Frames of such a run.
    flags : ndarray
        (T,) int32, bit i set for the i-th of `FRAME_REASONS`.
    """

    before: SummaryImages
    correlation_before: np.ndarray
    correlation_after: np.ndarray
    residual_before: np.ndarray
    residual_after: np.ndarray
    bin_frames: int
    flags: np.ndarray

    @property
    def bad_frames(self) -> np.ndarray:
        """Numbers of the frames that remain bad, in rising order."""
        return np.flatnonzero(self.flags)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Bad frames to leave out; none if so many are that a parameter is wrong."""
        bad = self.bad_frames
        few = len(bad) <= MOST_LEFT_OUT * len(self.flags)
        return tuple(bad.tolist()) if few else ()

    @property
    def by_reason(self) -> dict[str, np.ndarray]:
        """Numbers of the bad frames of each reason that there is, in rising order."""
        frames = (
            np.flatnonzero(self.flags >> i & 1) for i in range(len(FRAME_REASONS))
        )
        return {r: f for r, f in zip(FRAME_REASONS, frames, strict=True) if len(f)}

    def reasons(self, frame: int) -> tuple[str, ...]:
        """Return what is wrong with a frame, nothing for a good one."""
        bits = int(self.flags[frame])
        return tuple(r for i, r in enumerate(FRAME_REASONS) if bits >> i & 1)
