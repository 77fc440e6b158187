"""Readers of movie formats, and `open_movie`, which chooses among them.

A format is one file of this folder with one function that is decorated with
`register_reader` (see `tif.py`), plus its name in the imports of `__init__.py`. The
reader is chosen by suffix; the content then has to agree. A list of files, or a
folder, is one recording: its files follow one another in time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from napari_cnmf.errors import ChoiceError, InputError, MissingFileError
from napari_cnmf.formats.guard import require_harmless
from napari_cnmf.formats.readers.limits import require_possible
from napari_cnmf.movie import ChainSource, FileSpan, FrameSource, Movie, native
from napari_cnmf.movie.damage import named_damage
from napari_cnmf.movie.fingerprint import fingerprint_of_files


@dataclass(frozen=True)
class ReadOptions:
    """What to take from a file that holds more than one movie; None if unsaid.

    Attributes
    ----------
    dataset : str, optional
        Name of the array, in files that hold several.
    channel, plane : int, optional
        Colour channel and focal plane, counted from 0.
    """

    dataset: str | None = None
    channel: int | None = None
    plane: int | None = None


@dataclass(frozen=True)
class OpenedFile:
    """What a reader found in one file.

    Attributes
    ----------
    source : FrameSource
        The frames; one is enough, since a recording may be a chain of such files.
    frame_rate_hz, pixel_size_um
        As in `Movie`, None where the file does not say.
    selection : str
        What was chosen inside the file, such as ``"channel 1"``.
    """

    source: FrameSource
    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, float] | None = None
    selection: str = ""


ReadFile = Callable[[Path, ReadOptions], OpenedFile]


@dataclass(frozen=True)
class Reader:
    """A format: its name, its suffixes, how to know it and how to read it."""

    name: str
    suffixes: tuple[str, ...]
    recognises: Callable[[Path], bool]
    read: ReadFile
    seldom_a_movie: bool
    can_crash: bool


_READERS: list[Reader] = []


def register_reader(
    name: str,
    suffixes: tuple[str, ...],
    recognises: Callable[[Path], bool],
    *,
    seldom_a_movie: bool = False,
    can_crash: bool = False,
) -> Callable[[ReadFile], ReadFile]:
    """Make the decorated function the reader of a format.

    Parameters
    ----------
    name : str
        What users call the format.
    suffixes : tuple of str
        In lower case, with the dot.
    recognises : callable
        Whether the content of a path (often its first bytes) is of this format.
    seldom_a_movie : bool
        Whether such files mostly hold something else. Beside a movie of another
        format, as in the folder of a recording, they are not taken for movies.
    can_crash : bool
        Whether its library can end or hang the process on damaged files: they are
        then tried in another one first, see `guard.py`.
    """

    def register(read: ReadFile) -> ReadFile:
        _READERS.append(
            Reader(name, suffixes, recognises, read, seldom_a_movie, can_crash)
        )
        return read

    return register


def open_movie(
    paths: str | Path | Sequence[str | Path],
    *,
    dataset: str | None = None,
    channel: int | None = None,
    plane: int | None = None,
    frame_rate_hz: float | None = None,
    pixel_size_um: tuple[float, float] | None = None,
) -> Movie:
    """Open a recording; no frame is read yet.

    Parameters
    ----------
    paths : path or sequence of paths
        A file; or several, which follow one another in time in the order given; or
        a folder, for its files in natural order (2 before 10).
    dataset : str, optional
        Name of the array, where files hold several.
    channel, plane : int, optional
        Which channel and focal plane to take, counted from 0, where files hold
        several: they are never mixed into one movie.
    frame_rate_hz : float, optional
        Frames a second (of one plane); what the files say if not given.
    pixel_size_um : (float, float), optional
        Height and width of a pixel (y, x); what the files say if not given.

    Returns
    -------
    Movie
        With a span for each file.

    Raises
    ------
    InputError
        If a file is missing, unreadable, or unlike the others, or a choice is open.
    """
    chosen = _chosen_files(paths)
    options = ReadOptions(dataset, channel, plane)
    if len(chosen) > 1:
        chosen, options = of_one_channel(chosen, options)
    opened = [_open_file(path, options) for path in chosen]
    names = [path.name for path in chosen]
    _require_one_part(opened, names)
    source = _joined([file.source for file in opened], names)
    _require_frames(source, names)
    if frame_rate_hz is None:
        frame_rate_hz = _agreed_rate([file.frame_rate_hz for file in opened], names)
    if pixel_size_um is None:
        stated = (file.pixel_size_um for file in opened)
        pixel_size_um = next(filter(None, stated), None)
    selection = [file.selection for file in opened]
    return Movie(
        native(source, names[0]),
        frame_rate_hz,
        pixel_size_um,
        _spans(chosen, opened),
        fingerprint=fingerprint_of_files(source, chosen, selection),
    )


def readable_suffixes() -> tuple[str, ...]:
    """Return the suffixes of all formats that can be opened."""
    return tuple(suffix for reader in _READERS for suffix in reader.suffixes)


def is_movie_folder(folder: Path) -> bool:
    """Whether a folder is a movie by itself, or holds files that mostly are movies."""
    readers = map(_reader_of, [folder, *folder.iterdir()])
    return any(reader and not reader.seldom_a_movie for reader in readers)


def natural_key(path: Path) -> list[tuple[bool, int, str]]:
    """Return a sorting key that puts ``frame2`` before ``frame10``."""
    pieces = re.findall(r"\d+|\D+", path.stem)
    return [
        (False, int(piece), "") if piece.isdecimal() else (True, 0, piece.lower())
        for piece in pieces
    ]


def of_one_channel(
    paths: list[Path], options: ReadOptions
) -> tuple[list[Path], ReadOptions]:
    """Keep the files of one channel, where their names tell the channel.

    Prairie View (Bruker) writes a file for each frame and channel, named
    ``..._Ch2_000001.ome.tif``; the channel is then chosen here, not in the files.
    """
    found = [re.search(r"_Ch(\d+)_", path.name) for path in paths]
    labels = [int(match[1]) for match in found if match]
    channels = sorted(set(labels))
    if len(labels) < len(paths) or len(channels) == 1:
        return paths, options
    listed = ", ".join(f"channel={i} for Ch{c}" for i, c in enumerate(channels))
    if options.channel is None or not 0 <= options.channel < len(channels):
        raise ChoiceError(
            f"The files are of {len(channels)} channels, which are not mixed into one "
            f"movie, and channel is {options.channel}; choose {listed}.",
            "channel",
        )
    wanted = channels[options.channel]
    kept = [path for path, label in zip(paths, labels, strict=True) if label == wanted]
    return kept, replace(options, channel=None)


def _chosen_files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the files to read, in order of time."""
    named = [paths] if isinstance(paths, str | Path) else paths
    files = [file for path in named for file in _files_of(Path(path))]
    if not files:
        raise InputError("The list of files is empty; name at least one file.")
    return files


def _files_of(path: Path) -> list[Path]:
    """Return the file, or the files of a folder that is not one movie by itself."""
    if not path.exists():
        raise MissingFileError(f"{path} does not exist; check the name and the folder.")
    return _files_of_folder(path) if path.is_dir() and not _reader_of(path) else [path]


def _files_of_folder(folder: Path) -> list[Path]:
    """Return the movie files of a folder in natural order."""
    entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
    found = [(path, reader) for path in entries if (reader := _reader_of(path))]
    if not found:
        raise InputError(
            f"The folder {folder} holds no movie: none of its {len(entries)} entries "
            f"ends with {', '.join(readable_suffixes())}; choose another folder."
        )
    found = [pair for pair in found if not pair[1].seldom_a_movie] or found
    formats = {reader.name for _, reader in found}
    if len(formats) > 1:
        raise InputError(
            f"The folder {folder} holds movies of several formats "
            f"({', '.join(sorted(formats))}); list the files that you want."
        )
    return sorted((path for path, _ in found), key=natural_key)


def _reader_of(path: Path) -> Reader | None:
    """Return the reader for a path's suffix, if there is one."""
    name = path.name.lower()
    return next((reader for reader in _READERS if name.endswith(reader.suffixes)), None)


def read_file(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one file with the reader that its suffix and its content call for."""
    reader = _known_reader(path)
    if not reader.recognises(path):
        content = "is empty" if path.stat().st_size == 0 else "is something else"
        raise InputError(
            f"{path.name} is not a {reader.name} file: its name says so, but it "
            f"{content}; check how it was saved or copied."
        )
    return reader.read(path, options)


def _open_file(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one file that may be damaged, or claim the impossible."""
    reader = _known_reader(path)
    with named_damage(path.name, reader.name):
        if reader.can_crash:
            require_harmless(path, "movie", **asdict(options))
        file = read_file(path, options)
        require_possible(file.source, path)
    return file


def _known_reader(path: Path) -> Reader:
    """Return the reader for a path's suffix."""
    reader = _reader_of(path)
    if reader is None:
        raise InputError(
            f"{path.name} is of no known movie format; formats that can be read end "
            f"with {', '.join(readable_suffixes())}: convert the file to one of them."
        )
    return reader


def _joined(sources: list[FrameSource], names: list[str]) -> FrameSource:
    """Return one source for all files."""
    return sources[0] if len(sources) == 1 else ChainSource(sources, names)


def _require_one_part(opened: list[OpenedFile], names: list[str]) -> None:
    """Refuse files of different channels or planes: they do not follow one another."""
    for file, name in zip(opened, names, strict=True):
        parts = {opened[0].selection, file.selection}
        if len(parts) > 1 and any(p.startswith(("channel", "plane")) for p in parts):
            raise InputError(
                f"{names[0]} holds {opened[0].selection or 'all'}, but {name} holds "
                f"{file.selection or 'all'}, which are not mixed into one movie; list "
                "the files of one channel and plane."
            )


def _require_frames(source: FrameSource, names: list[str]) -> None:
    """Refuse what is a still image."""
    n_frames, height, width = source.shape
    if n_frames < 2:
        raise InputError(
            f"{names[0]} holds only {n_frames} frame(s) of {height} x {width} px, "
            "but a movie has at least 2; if each frame is in a file of its own, open "
            "their folder."
        )


def _agreed_rate(rates: list[float | None], names: list[str]) -> float | None:
    """Return the frame rate that the files state, if they agree to one per cent."""
    stated = [(r, name) for r, name in zip(rates, names, strict=True) if r is not None]
    for rate, name in stated:
        first, first_name = stated[0]
        if abs(rate - first) > 0.01 * first:
            raise InputError(
                f"{first_name} states {first:g} Hz, but {name} states {rate:g} Hz; "
                "open them apart, or give frame_rate_hz if one of them is wrong."
            )
    return stated[0][0] if stated else None


def _spans(paths: list[Path], opened: list[OpenedFile]) -> tuple[FileSpan, ...]:
    """Return which file holds which frames."""
    spans, first = [], 0
    for path, file in zip(paths, opened, strict=True):
        stop = first + file.source.shape[0]
        spans.append(FileSpan(str(path), first, stop, path.stat().st_size))
        first = stop
    return tuple(spans)
