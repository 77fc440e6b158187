"""Video files (avi, mp4, mkv, mov), decoded by FFmpeg through PyAV.

A frame is found by its time stamp: at opening the stamps of all frames are noted, from
the index of the file where its codec never reorders them, else from its packets, which
are not decoded for that. A block is read by seeking to the last key frame before
it and decoding from there on, so that any order of reading gives the same pixels.
Pixels are grey: the luma, or of a coloured video its first (red) channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_cnmf.errors import InputError
from napari_cnmf.formats.readers.attributes import positive
from napari_cnmf.formats.readers.registry import (
    OpenedFile,
    ReadOptions,
    register_reader,
)

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer

SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".m4v")
#: FFmpeg's names of pixels with 8 and 16 bits.
_GREY, _RGB = ("gray", "gray16le"), ("rgb24", "rgb48le")


@dataclass(frozen=True, eq=False)
class VideoFrames:
    """Frames of a video; the file is open only while a block is read.

    Attributes
    ----------
    path : Path
        The file.
    stamps : ndarray (T,) of int64
        When each frame is shown, in the stream's unit of time, rising.
    keys : ndarray of int64
        Numbers of the frames from which decoding can begin; the first is 0.
    field_shape : (int, int)
        Rows and columns (Y, X) of a frame.
    dtype : numpy.dtype
        Type of a pixel: uint8, or uint16 where there are more than 8 bits.
    """

    path: Path
    stamps: np.ndarray
    keys: np.ndarray
    field_shape: tuple[int, int]
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        return (len(self.stamps), *self.field_shape)

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        numbers = range(len(self.stamps))[frames]
        height, width = self.field_shape
        shape = (len(numbers), len(range(height)[rows]), len(range(width)[cols]))
        block = np.empty(shape, self.dtype)
        if not block.size:
            return block
        with _opened(self.path) as container:
            decoded = self._decoded_from(container, numbers[0])
            convert = _converter(self.dtype)
            for out, t in zip(block, numbers, strict=True):
                out[:] = self._checked(convert(self._at(decoded, t)))[rows, cols]
        return block

    def _decoded_from(
        self, container: InputContainer, first: int
    ) -> Iterator[VideoFrame]:
        """Decode from the last key frame at or before a frame, or from the beginning.

        Some containers seek by the order of decoding, and end up behind.
        """
        stream = container.streams.video[0]
        key = self.keys[np.searchsorted(self.keys, first, side="right") - 1]
        for start in (key, 0):
            if start > 0 or start < key:
                container.seek(int(self.stamps[start]), stream=stream)
            decoded = container.decode(stream)
            head = next(decoded, None)
            if head is not None and _stamp(head) <= self.stamps[first]:
                return chain([head], decoded)
        raise self._missing(first)

    def _at(self, decoded: Iterator[VideoFrame], t: int) -> VideoFrame:
        """Return the frame of a number; what comes before it is passed over."""
        for frame in decoded:
            if _stamp(frame) >= self.stamps[t]:
                if _stamp(frame) == self.stamps[t]:
                    return frame
                break
        raise self._missing(t)

    def _missing(self, t: int) -> InputError:
        """Return the error for a frame that is listed but cannot be decoded."""
        return InputError(
            f"{self.path.name} has no frame {t} that can be decoded, though it lists "
            "one; it may be damaged: copy or convert it again."
        )

    def _checked(self, pixels: np.ndarray) -> np.ndarray:
        """Refuse a frame of another size than the first."""
        if pixels.shape != self.field_shape:
            raise InputError(
                f"{self.path.name} changes its size to {pixels.shape} px within the "
                "video; convert it to one size."
            )
        return pixels


def _stamp(frame: VideoFrame) -> int:
    """Return when a frame is shown; one that does not tell is passed over."""
    return -(2**63) if frame.pts is None else frame.pts


def _converter(dtype: np.dtype) -> Callable[[VideoFrame], np.ndarray]:
    """Return what makes grey values of a frame, in the full range of the type."""
    from av.video.reformatter import VideoReformatter

    reformat = VideoReformatter().reformat
    is_deep = dtype == np.uint16

    def convert(frame: VideoFrame) -> np.ndarray:
        if frame.format.is_rgb or frame.format.name == "pal8":
            return reformat(frame, format=_RGB[is_deep]).to_ndarray()[..., 0]
        return reformat(frame, format=_GREY[is_deep]).to_ndarray()

    return convert


@register_reader("video", SUFFIXES, Path.is_file, can_crash=True)
def read_video(path: Path, options: ReadOptions) -> OpenedFile:  # noqa: ARG001 (one stream)
    """Open one video file.

    Parameters
    ----------
    path : Path
        The file; of several streams the first is taken.
    options : ReadOptions
        Nothing of it means anything for a video.
    """
    with _opened(path) as container:
        if not container.streams.video:
            raise InputError(f"{path.name} holds no video; open another file.")
        stream = container.streams.video[0]
        rate = positive(float(stream.average_rate or 0))
        dtype, field_shape = _form(stream, path)
        stamps, keys = _indexed(stream) or _demuxed(container, stream)
    if not _rises(stamps) or not len(keys) or keys[0] != 0:
        raise InputError(
            f"{path.name} does not tell when each of its frames is shown, or does not "
            f"begin with a whole one; convert it, for example with "
            f"ffmpeg -i {path.name} -c:v ffv1 {path.stem}.mkv."
        )
    return OpenedFile(VideoFrames(path, stamps, keys, field_shape, dtype), rate)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """Open a video for as long as needed, and name it in whatever fails meanwhile."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            f"{path.name} is a video, which needs PyAV; install it with "
            'pip install "napari-cnmf[video]".'
        ) from error
    try:
        with av.open(str(path)) as container:
            yield container
    except InputError:
        raise
    except (av.FFmpegError, OSError, ValueError, RuntimeError, LookupError) as error:
        raise InputError(
            f"{path.name} cannot be read as a video ({error}); it may be damaged or of "
            "a kind that FFmpeg does not know: copy or convert it again."
        ) from error


def _form(stream: VideoStream, path: Path) -> tuple[np.dtype, tuple[int, int]]:
    """Return type and size of the frames of a stream."""
    pixels = stream.codec_context.format
    if pixels is None or not stream.height or not stream.width:
        raise InputError(
            f"{path.name} is a video that does not tell the size of its frames; it may "
            "be damaged: copy or convert it again."
        )
    depth = max(component.bits for component in pixels.components)
    dtype = np.dtype(np.uint8 if depth <= 8 else np.uint16)
    return dtype, (stream.height, stream.width)


def _indexed(stream: VideoStream) -> tuple[np.ndarray, np.ndarray] | None:
    """Return stamps and key frames from the index of a file, if it tells them all.

    Its stamps are those of decoding, which are those of showing for codecs that never
    reorder frames; those are also the ones whose files are large.
    """
    entries = getattr(stream, "index_entries", ())  # not before PyAV 17
    if stream.codec_context.codec.reorder or len(entries) != stream.frames:
        return None
    told = [(e.timestamp, e.is_keyframe) for e in entries if e.size]
    stamps = np.array([stamp for stamp, _ in told], dtype=np.int64)
    return stamps, np.flatnonzero([is_key for _, is_key in told])


def _demuxed(
    container: InputContainer, stream: VideoStream
) -> tuple[np.ndarray, np.ndarray]:
    """Return stamps and key frames from all packets, none of which is decoded."""
    packets = [
        (-1 if packet.pts is None else packet.pts, packet.is_keyframe)
        for packet in container.demux(stream)
        if packet.size and not packet.is_discard
    ]
    packets.sort()
    stamps = np.array([stamp for stamp, _ in packets], dtype=np.int64)
    return stamps, np.flatnonzero([is_key for _, is_key in packets])


def _rises(stamps: np.ndarray) -> bool:
    """Whether each stamp is later than the one before."""
    return bool(np.all(np.diff(stamps) > 0))
