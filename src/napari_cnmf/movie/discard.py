"""Folders of thousands of files, removed without keeping anybody waiting."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from threading import Thread

_PATIENCE_S = 0.5


def discard(folder: Path) -> None:
    """Free the name of a folder and remove what was in it, if it exists.

    Some disks take ten seconds for a gigabyte in chunks. What is not gone in half a
    second is removed beside the work, under a name that ends in ``.part``; were the
    process killed meanwhile, the next run would remove the rest.

    Raises
    ------
    OSError
        If the folder cannot be renamed.
    """
    stem = folder.name.removesuffix(".part")
    doomed = folder.with_name(f"{stem}.{os.getpid()}-{time.time_ns()}.part")
    try:
        folder.rename(doomed)
    except FileNotFoundError:
        return
    # Not a daemon: a command ends when everything is tidy.
    thread = Thread(target=shutil.rmtree, args=(doomed, True), name="cnmf discard")
    thread.start()
    thread.join(_PATIENCE_S)
