"""Fingerprints: the same movie has the same one wherever it is copied to.

A fingerprint is the SHA-256 of shape, type, file names and sizes, and a few sampled
blocks of bytes (or frames); never of folders, or of times of modification. Reading
a whole movie to hash it would take as long as the analysis, so blocks in the middle
of a large file that differ without any change of size may go unseen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_cnmf.movie.movie import FrameSource

BLOCK_BYTES = 64 * 1024
MAX_SAMPLED_FILES = 32
SAMPLED_FRAMES = 5


def fingerprint_of(*parts: str | bytes) -> str:
    """Return the SHA-256, in hexadecimal, of the parts and of their borders."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def fingerprint_of_frames(source: FrameSource) -> str:
    """Return the fingerprint of a source from its shape, type and sampled frames."""
    last = source.shape[0] - 1
    sampled = sorted(set(np.linspace(0, last, SAMPLED_FRAMES).astype(int).tolist()))
    frames = [source.read(slice(t, t + 1)) for t in sampled if t >= 0]
    return fingerprint_of(*_form(source), *(frame.tobytes() for frame in frames))


def fingerprint_of_files(
    source: FrameSource, paths: Sequence[Path], selection: Sequence[str]
) -> str:
    """Return the fingerprint of a source that reads files.

    Parameters
    ----------
    source : FrameSource
        Gives shape and type.
    paths : sequence of Path
        The files in order; of a long list only some are sampled, spread evenly,
        but the names and sizes of all count.
    selection : sequence of str
        What was chosen inside each file (channel, dataset): the same files with
        another choice are another movie.
    """
    files = [(path, file) for path in paths for file in _files_of(path)]
    names = [
        f"{file.relative_to(path.parent).as_posix()} {file.stat().st_size}"
        for path, file in files
    ]
    sampled = np.linspace(0, len(files) - 1, min(len(files), MAX_SAMPLED_FILES))
    blocks = [b for i in sampled.astype(int) for b in _sampled_blocks(files[i][1])]
    return fingerprint_of(*_form(source), *selection, *names, *blocks)


def _form(source: FrameSource) -> tuple[str, str]:
    """Return shape and type in words."""
    return str(source.shape), source.dtype.name


def _files_of(path: Path) -> list[Path]:
    """Return the path, or in order every file of a folder that is one movie."""
    inside = path.rglob("*") if path.is_dir() else [path]
    return sorted(file for file in inside if file.is_file())


def _sampled_blocks(path: Path) -> list[bytes]:
    """Return head, middle and tail of a file."""
    size = path.stat().st_size
    starts = (0, (size - BLOCK_BYTES) // 2, size - BLOCK_BYTES)
    with path.open("rb") as file:
        blocks = []
        for start in starts:
            file.seek(max(start, 0))
            blocks.append(file.read(BLOCK_BYTES))
    return blocks
