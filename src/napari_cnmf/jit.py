"""The one place that says how kernels are compiled.

Kernels release the GIL and never start threads of their own: parallelism comes from
`napari_cnmf.compute`. Fast maths may reorder sums, so vector units are used, but it
keeps NaN and infinity, which mark missing pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound=Callable[..., object])

_FASTMATH = {"reassoc", "contract", "arcp", "nsz"}


def kernel(function: F) -> F:
    """Compile `function` with numba: no GIL, cached on disk, reordered sums.

    The result of a reordered sum is the same on every call on one machine, so runs
    stay reproducible byte for byte there. For that, a kernel that another one calls
    is always inlined: of several compiled copies of it, the linker takes the first
    that the process has loaded, which is another one where kernels are compiled than
    where they come from the cache.
    """
    compiled = numba.njit(
        nogil=True,
        cache=True,
        forceinline=True,
        fastmath=_FASTMATH,
        error_model="numpy",
    )(function)
    return cast("F", compiled)
