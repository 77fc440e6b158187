"""Movies of what is shown, as mp4 files that every player and talk can show.

Panels are put side by side with their names and the time, outlines are drawn once and
laid over every frame, and PyAV encodes H.264. Frames are computed one by one, so the
length of a clip does not matter to the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import ceil
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cnmf.colours import ACCEPTED, REJECTED, rgb
from napari_cnmf.components import Components
from napari_cnmf.compute import Progress, Stopwatch, silent
from napari_cnmf.compute.backend import check_cancel
from napari_cnmf.contours import contours, segments
from napari_cnmf.errors import InputError, OutputError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.movie.display import FrameCache
from napari_cnmf.movie.movie import FrameSource
from napari_cnmf.reconstruction import Panel, View, panels

if TYPE_CHECKING:
    pass

#: Faster than this no screen shows frames; frames are left out instead.
MAX_FRAMES_PER_S = 60.0
GAP_PX = 4
STRIP_PX = 24
TEXT_PX = 15
TEXT, PAPER = (235, 235, 235), 18


@dataclass(frozen=True)
class Clip:
    """Which part of a movie becomes a file, and how.

    Attributes
    ----------
    first, stop : int
        Frames ``range(first, stop)``; a `stop` of 0 is the end of the movie.
    speed : float
        Times the true speed.
    magnification : int
        Pixels of the file for one of the movie, along each side.
    labels : bool
        Whether names of the panels and the time are written.
    """

    first: int = 0
    stop: int = 0
    speed: float = 1.0
    magnification: int = 1
    labels: bool = True

    def frames(self, n_frames: int, frame_rate_hz: float) -> range:
        """Frames that are shown; some are left out at high speed."""
        step = max(1, ceil(frame_rate_hz * self.speed / MAX_FRAMES_PER_S))
        stop = min(self.stop, n_frames) if self.stop else n_frames
        return range(self.first, stop, step)


def write_panels_mp4(
    movie: FrameSource,
    components: Components,
    view: View,
    path: Path,
    clip: Clip = Clip(),
    *,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> None:
    """Write original, reconstruction and residual side by side to an mp4 file.

    Parameters
    ----------
    movie : FrameSource
        The registered movie.
    components : Components
    view : View
        What the panels show.
    path : Path
        File to write; an older one is replaced once the new one is whole.
    clip : Clip
        Which frames, how fast and how large.
    progress : callable
        Is told of every frame.
    cancel : threading.Event, optional
        Stops before the next frame once set; no file is left then.

    Raises
    ------
    InputError
        If the clip holds no frames.
    OutputError
        If the file cannot be written, or PyAV is missing.
    """
    rate_hz = components.frame_rate_hz
    frames = clip.frames(components.n_frames, rate_hz)
    cover = outline_overlay(components, view, clip.magnification)
    with closing(FrameCache(movie)) as cache:
        shown = panels(cache, components, view)
        images = panel_frames(shown, frames, rate_hz, clip, cover)
        per_s = rate_hz * clip.speed / frames.step
        write_mp4(
            images, path, per_s, total=len(frames), progress=progress, cancel=cancel
        )


def panel_frames(
    shown: Sequence[Panel],
    frames: Iterable[int],
    frame_rate_hz: float,
    clip: Clip,
    overlay: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Put panels side by side, frame by frame.

    Parameters
    ----------
    shown : sequence of Panel
        Of equal size.
    frames : iterable of int
        Which frames, in order.
    frame_rate_hz : float
        For the time that is written.
    clip : Clip
        Magnification and whether labels are written.
    overlay : ndarray, optional
        (Y, X, 4) float32 from `outline_overlay`, laid over every panel.

    Yields
    ------
    ndarray (rows, columns, 3)
        uint8.
    """
    names = [panel.name for panel in shown]
    for t in frames:
        images = [_painted(panel, t, clip.magnification, overlay) for panel in shown]
        gap = np.full((len(images[0]), GAP_PX, 3), PAPER, np.uint8)
        row = np.concatenate([part for i in images for part in (i, gap)][:-1], axis=1)
        if clip.labels:
            starts = [i * (images[0].shape[1] + GAP_PX) for i in range(len(names))]
            head = _strip(row.shape[1], dict(zip(starts, names, strict=True)))
            time = f"{t / frame_rate_hz:.2f} s    frame {t}"
            row = np.concatenate([head, row, _strip(row.shape[1], {0: time})])
        yield row


def write_mp4(
    frames: Iterable[np.ndarray],
    path: Path,
    frames_per_s: float,
    *,
    total: int,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> None:
    """Write images to an mp4 file (H.264, 4:2:0), which appears whole or not at all.

    Parameters
    ----------
    frames : iterable of ndarray (Y, X, 3)
        uint8, all of one size; an odd side gets a row or column of black.
    path : Path
        File to write.
    frames_per_s : float
        Speed at which it plays.
    total : int
        Number of frames, for the progress.
    progress : callable
        Is told of every frame.
    cancel : threading.Event, optional
        Stops before the next frame once set.

    Raises
    ------
    InputError
        If there are no frames.
    OutputError
        If the file cannot be written, or PyAV is missing.
    """
    av = _pyav()
    images = iter(frames)
    first = next(images, None)
    if first is None:
        raise InputError(
            f"There are no frames to write to {path.name}; choose a longer part."
        )
    watch = Stopwatch(progress, "export", total, "frames")
    height, width = (side + side % 2 for side in first.shape[:2])
    with (
        replacing(path) as temporary,
        av.open(str(temporary), "w", format="mp4") as file,
    ):
        stream = file.add_stream(
            "libx264", Fraction(frames_per_s).limit_denominator(1001)
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "20", "preset": "veryfast"}
        for image in chain([first], images):
            check_cancel(cancel)
            padded = np.zeros((height, width, 3), np.uint8)
            padded[: image.shape[0], : image.shape[1]] = image
            file.mux(stream.encode(av.VideoFrame.from_ndarray(padded, "rgb24")))
            watch.advance(1)
        file.mux(stream.encode())


def outline_overlay(
    components: Components, view: View, magnification: int = 1
) -> np.ndarray | None:
    """Draw the outlines of the components of a view.

    Returns
    -------
    ndarray (Y, X, 4) or None
        float32 from 0 to 1, red, green and blue times coverage, and coverage, of a
        magnified field; None if no outlines are to be seen.
    """
    if not view.contours:
        return None
    accepted = components.accepted
    pieces, owners = segments(contours(components))
    height, width = (side * magnification for side in components.fov_shape)
    overlay = np.zeros((height, width, 4), np.float32)
    for chosen, colour in ((~accepted, REJECTED), (accepted, ACCEPTED)):
        if view.accepted_only and colour == REJECTED:
            continue
        cover = _coverage(pieces[chosen[owners]], magnification, (height, width))
        overlay *= 1 - cover[..., None]
        overlay += cover[..., None] * np.array([*rgb(colour), 1], np.float32)
    return overlay


def _coverage(
    pieces: np.ndarray, magnification: int, shape: tuple[int, int]
) -> np.ndarray:
    """Share of each pixel (Y, X) that straight pieces (n, 2, 2) cover, smoothly."""
    longest = magnification * float(np.abs(pieces[:, 1]).max(initial=1))
    along = np.linspace(0, 1, ceil(3 * longest), endpoint=False)[:, None, None]
    points = (pieces[:, 0] + along * pieces[:, 1]).reshape(-1, 2)
    points = (points + 0.5) * magnification - 0.5
    corner = np.floor(points).astype(int)
    beyond = points - corner
    cover = np.zeros(shape, np.float32)
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - down - beyond[:, 0]) * np.abs(1 - right - beyond[:, 1])
            y, x = corner[:, 0] + down, corner[:, 1] + right
            inside = (y >= 0) & (x >= 0) & (y < shape[0]) & (x < shape[1])
            np.maximum.at(cover, (y[inside], x[inside]), share[inside])
    return np.sqrt(cover)


def _painted(
    panel: Panel, t: int, magnification: int, overlay: np.ndarray | None
) -> np.ndarray:
    """One frame of a panel as an image (Y, X, 3) uint8."""
    frame = panel.frames[t].astype(np.float32)
    low, high = panel.limits
    image = np.clip((frame - low) * np.float32(255 / (high - low)), 0, 255)
    if image.ndim == 2:
        image = np.broadcast_to(image[..., None], (*image.shape, 3))
    image = image.repeat(magnification, axis=0).repeat(magnification, axis=1)
    if overlay is not None:
        image = image * (1 - overlay[..., 3:]) + 255 * overlay[..., :3]
    return image.astype(np.uint8)


def _strip(width: int, texts: dict[int, str]) -> np.ndarray:
    """Strip (STRIP_PX, width, 3) with texts that begin at given columns."""
    from PIL import Image, ImageDraw, ImageFont

    strip = Image.new("RGB", (width, STRIP_PX), (PAPER,) * 3)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(TEXT_PX)
    for column, text in texts.items():
        draw.text((column + 4, STRIP_PX // 2), text, TEXT, font, anchor="lm")
    return np.asarray(strip)


def _pyav() -> Any:
    """Return PyAV, or say how to get it."""
    try:
        import av
    except ImportError as error:
        raise OutputError(
            "Writing mp4 files needs PyAV, which is missing; install it with: pip "
            'install "napari-cnmf[video]".'
        ) from error
    return av
