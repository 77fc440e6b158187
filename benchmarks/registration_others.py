"""Other registration packages, as black boxes, where they are installed.

Each estimates how far frames (n, Y, X) have moved from a template, in pixels, positive
down and right. scikit-image and pystackreg give one shift for a frame; SimpleITK bends
it too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

Shifter = Callable[[np.ndarray, np.ndarray], np.ndarray]

STEPS_PER_PX = 100


def shifters() -> dict[str, Shifter]:
    """What finds the shifts (n, 2) of frames as a whole, by name."""
    found: dict[str, Shifter] = {}
    if find_spec("skimage"):
        found["skimage, phase"] = partial(_by_skimage, normalization="phase")
        found["skimage, plain"] = partial(_by_skimage, normalization=None)
    if find_spec("pystackreg"):
        found["StackReg"] = _by_stackreg
    return found


def bender() -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None:
    """What finds the displacements (n, P, 2) of frames at some centres (P, 2)."""
    return _by_itk if find_spec("SimpleITK") else None


def _by_skimage(
    template: np.ndarray, frames: np.ndarray, normalization: str | None
) -> np.ndarray:
    """Cross-correlation, of phases or plain, refined to a hundredth of a pixel."""
    register = import_module("skimage.registration").phase_cross_correlation
    options = {"upsample_factor": STEPS_PER_PX, "normalization": normalization}
    return np.array([-register(template, frame, **options)[0] for frame in frames])


def _by_stackreg(template: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Pyramid of least squares (Thevenaz et al. 1998)."""
    module = import_module("pystackreg")
    worker = module.StackReg(module.StackReg.TRANSLATION)
    matrices = np.array([worker.register(template, frame) for frame in frames])
    return matrices[:, [1, 0], 2]


def _by_itk(
    template: np.ndarray, frames: np.ndarray, centres: np.ndarray
) -> np.ndarray:
    """Shift, then cubic B-splines, both by correlation and coarse to fine.

    Of the meshes, metrics and pyramids tried these had the smallest error.
    """
    itk = import_module("SimpleITK")
    itk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    fixed = itk.GetImageFromArray(template.astype(np.float32))
    points = [(float(x), float(y)) for y, x in centres]
    found = []
    for frame in frames:
        moving = itk.GetImageFromArray(frame.astype(np.float32))
        shift = itk.TranslationTransform(2)
        _fit(itk, shift, fixed, moving, [4, 2, 1])
        bend = itk.BSplineTransformInitializer(fixed, [2, 2], order=3)
        _fit(itk, bend, fixed, moving, [2, 1], shift)
        moved = [shift.TransformPoint(bend.TransformPoint(point)) for point in points]
        found.append(np.subtract(moved, points)[:, ::-1])
    return np.array(found)


def _fit(
    itk: Any,
    transform: Any,
    fixed: Any,
    moving: Any,
    pyramid: list[int],
    before: Any = None,
) -> None:
    """Fit a transform, which another one follows."""
    fit = itk.ImageRegistrationMethod()
    fit.SetMetricAsCorrelation()
    fit.SetOptimizerAsLBFGSB(numberOfIterations=20)
    fit.SetInterpolator(itk.sitkLinear)
    fit.SetShrinkFactorsPerLevel(pyramid)
    fit.SetSmoothingSigmasPerLevel(pyramid)
    if before is not None:
        fit.SetMovingInitialTransform(before)
    fit.SetInitialTransform(transform, inPlace=True)
    fit.Execute(fixed, moving)
