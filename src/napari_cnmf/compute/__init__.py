"""Where the work is done: backends, progress and cancelling."""

from napari_cnmf.compute.backend import Backend, SerialBackend
from napari_cnmf.compute.choose import Computing, make_backend
from napari_cnmf.compute.collector import short_collections
from napari_cnmf.compute.priority import work_behind
from napari_cnmf.compute.progress import Progress, ProgressEvent, Stopwatch, silent
from napari_cnmf.compute.threads import ThreadBackend, local_backend

__all__ = [
    "Backend",
    "Computing",
    "Progress",
    "ProgressEvent",
    "SerialBackend",
    "Stopwatch",
    "ThreadBackend",
    "local_backend",
    "make_backend",
    "short_collections",
    "silent",
    "work_behind",
]
