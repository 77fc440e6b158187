"""Files that appear whole or not at all: written under another name, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_cnmf.errors import CnmfError, OutputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path, which takes the name of `path` when the block ends well.

    The temporary file lies in the same folder. It is on disk before it is renamed, so
    that a killed run or a power cut leaves either the old file or the new one. It is
    removed if an error ends the block; a killed run's is overwritten by the next.

    Parameters
    ----------
    path : Path
        The file to create or to replace; missing folders are made.

    Raises
    ------
    OutputError
        If the file cannot be written: no permission, disk full.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except CnmfError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OutputError(
            f"{path.name} cannot be written to {path.parent} ({reason}); free space "
            "there, make it writable, or choose another output folder."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
