"""When a search ends: at a number of components, or where only noise is left."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cnmf.cnmf.parameters import InitParameters

# The limit grows with the root of the recording's length, between what a cell of few
# events adds up to, which does not grow, and what structured noise does, which grows
# with it: on 4,000 bins F1 .975, against .966 if it grows with the length. In fewer
# bins than usual it is white noise that must not be found.
USUAL_BINS = 500


@dataclass(frozen=True, slots=True)
class Stop:
    """How many components a search takes, and the event energy they need.

    Attributes
    ----------
    n_components : int
        It never takes more.
    energy : float
        Least event energy of a seed, in units of the noise variance; 0 where exactly
        `n_components` are asked for.
    """

    n_components: int
    energy: float

    @classmethod
    def of(cls, parameters: InitParameters, n_max: int, n_bins: int) -> Stop:
        """Exactly as many as the parameters ask for, or all that stand out."""
        if parameters.n_components is not None:
            return cls(min(parameters.n_components, n_max), 0.0)
        growth = max(n_bins / USUAL_BINS, 1.0) ** 0.5
        return cls(n_max, parameters.min_event_energy * USUAL_BINS * growth)

    def goes_on(self, n_taken: int, energy: float) -> bool:
        """Whether to take one more, whose seed has this event energy."""
        return n_taken < self.n_components and energy >= self.energy
