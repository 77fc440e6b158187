"""Takes the pictures of the documentation, through the real widgets.

`xvfb-run -a -s "-screen 0 1600x1000x24" python docs/screenshots.py` (another folder
than `docs/images` can be named). The sample movie goes through the workflow by pressed
buttons; each dock is then opened and drawn, and the whole window at last.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from qtpy.QtCore import QBuffer, QEventLoop, QIODevice, QTimer
from qtpy.QtWidgets import QPushButton, QWidget

# The pictures must not depend on the user's settings, which napari reads when it is
# imported.
CONFIG = tempfile.mkdtemp()
os.environ["XDG_CONFIG_HOME"] = CONFIG
os.environ["NAPARI_CONFIG"] = str(Path(CONFIG) / "settings.yaml")

import napari  # noqa: E402 - see above
import tifffile  # noqa: E402

from napari_cnmf.compute.queue import Job  # noqa: E402
from napari_cnmf.pipeline.folder import RunFolder  # noqa: E402
from napari_cnmf.pipeline.runner import rerun  # noqa: E402
from napari_cnmf.report.compared import examples  # noqa: E402
from napari_cnmf.report.comparison import draw_comparison  # noqa: E402
from napari_cnmf.simulation import SimulationParameters, simulate  # noqa: E402
from napari_cnmf.widgets.docks.queue import State  # noqa: E402
from napari_cnmf.widgets.docks.traces import TracesWidget  # noqa: E402
from napari_cnmf.widgets.session import session  # noqa: E402

IMAGES = Path(__file__).absolute().parent / "images"
SIZE = (1600, 1000)
#: A user's docks are a little wider than the narrowest possible.
WIDTH_PX = 380
#: Colours of a picture: enough for the widgets, and a quarter of the bytes.
COLOURS = 192
PLUGIN = "napari-cnmf"
#: Docks of which the pages show nothing but the dock.
DOCKS = ("CNMF", "Cells", "Evaluate", "Save and export", "Log")


def main() -> None:
    """Take all pictures."""
    folder = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as here:
        os.chdir(here)  # the pictures show the name of the result's folder
        _take_all(folder)


def _take_all(folder: Path) -> None:
    """Go through the workflow and take each picture at its moment."""
    viewer = napari.Viewer(show=False)
    viewer.show()
    viewer.window.resize(*SIZE)
    workspace = session(viewer).workspace
    viewer.open_sample(PLUGIN, "simulated_movie_with_motion")
    with _opened(viewer, "Movie") as movie:
        workspace.set_folder(RunFolder(Path("mouse-7-cnmf")))
        _settle()
        _save(_drawn(movie), folder / "movie.png")
    workspace.set_recipe(workspace.recipe.with_settings({"motion.mode": "piecewise"}))
    with _opened(viewer, "Motion") as motion:
        _press(motion, "Correct motion")
        _wait_for_job(viewer)
        _save(_drawn(motion), folder / "motion.png")
        _take_registration(viewer, motion, folder / "registration.png")
    workspace.set_recipe(workspace.recipe.with_settings({"patches.patch_size_px": 64}))
    with _opened(viewer, "Patches and key parameters"):
        _take_window(viewer, folder / "quilt.png")
    with _opened(viewer, "Workflow") as workflow:
        _press(workflow, "Run the rest")
        _wait_for_job(viewer)
        _save(_drawn(workflow), folder / "workflow.png")

    clearest = workspace.quality.snr.argsort()[::-1][:4]
    workspace.select(workspace.components.ids[clearest].tolist())
    for name in DOCKS:
        _take_dock(viewer, name, folder)
    _take_compute(viewer, folder / "compute.png")
    with _opened(viewer, "Result movies") as movies:
        _press(movies, "Original")
        _take_window(viewer, folder / "panels.png")
        _press(movies, "Original")
    with _opened(viewer, "Evaluate"):
        viewer.window.add_dock_widget(
            TracesWidget(viewer), name="Traces", area="bottom"
        )
        _take_window(viewer, folder / "window.png")
    _take_comparison(viewer, folder)
    _take_batch(viewer, folder / "batch.png")
    viewer.close()


def _take_registration(viewer: napari.Viewer, motion: QWidget, path: Path) -> None:
    """Show both movies where the frame had moved most, and the plot of the shifts."""
    here = session(viewer)
    plot, _ = viewer.window.add_plugin_dock_widget(PLUGIN, "Shifts")
    _press(motion, "Movies side by side")
    shifts = here.workspace.result.shifts.values
    here.scene.go_to_frame(int((shifts**2).sum(axis=1).argmax()))
    motion.scroll_area.ensureWidgetVisible(motion.plot)
    _take_window(viewer, path)
    _press(motion, "Movies side by side")
    viewer.window.remove_dock_widget(plot)
    _settle()


def _take_comparison(viewer: napari.Viewer, folder: Path) -> None:
    """Compare the open result with one that was merged less and begun otherwise."""
    workspace = session(viewer).workspace
    other = Path("mouse-7-variance")
    shutil.copytree(workspace.folder.path, other)
    settings = {"init.method": "variance", "merge.min_correlation": 0.95}
    rerun("fit", other, settings, until="dff")
    with _opened(viewer, "Compare") as dock:
        dock.sides[1].path.setText(str(other))
        _press(dock, "Compare")
        _wait_for_job(viewer)
        states = dock.comparison.matching.states
        dock.select(max(examples(dock.comparison), key=lambda k: states[k] == "split"))
        _take_window(viewer, folder / "compare.png")
        picture = draw_comparison(dock.comparison)
        picture.savefig("comparison.png", dpi=90)
    _save(Image.open("comparison.png"), folder / "comparison.png")


def _take_batch(viewer: napari.Viewer, path: Path) -> None:
    """Run four movies, one of which fails, and draw the dock while the third runs."""
    scene = SimulationParameters(n_frames=600, height_px=96, width_px=96)
    paths = [Path(f"mouse-{number}.tif") for number in (7, 8, 9, 10)]
    for seed, movie in enumerate(paths):
        pixels = simulate(scene, seed).movie
        tifffile.imwrite(movie, pixels if seed != 1 else pixels[:12])
    workspace = session(viewer).workspace
    settings = {"acquisition.frame_rate_hz": 30}
    workspace.set_recipe(workspace.recipe.with_settings(settings))
    with _opened(viewer, "Batch") as batch:
        batch.open_paths(paths)
        _press(batch, "Start")
        while not any(line.share > 0.3 for line in batch.list.lines[2:3]):
            _settle(20)
        _save(_drawn(batch), path)
        _wait_for_job(viewer)


def _take_dock(viewer: napari.Viewer, name: str, folder: Path) -> None:
    """Open a dock, take its picture and close it again."""
    with _opened(viewer, name) as widget:
        _save(_drawn(widget), folder / f"{name.lower().replace(' ', '-')}.png")


def _take_compute(viewer: napari.Viewer, path: Path) -> None:
    """Show the dock as it is while jobs on SLURM work; there is no SLURM here."""
    here = session(viewer)
    settings = {"slurm.queue": "cpu", "slurm.cores": 8, "slurm.jobs": 3}
    with _opened(viewer, "Compute") as dock:
        dock.places["slurm"].click()
        where = here.workspace.computing.with_settings(settings)
        here.workspace.set_computing(where)
        here.jobs.start("Run all", lambda _progress, cancel: cancel.wait())
        _settle()
        jobs = (
            Job("81534", "RUNNING", node="node17"),
            Job("81535", "RUNNING", node="node18"),
            Job("81536", "PENDING", "Resources"),
        )
        dock.queue.show_state(State(jobs, 16, "http://127.0.0.1:8787/status"))
        _save(_drawn(dock), path)
        here.jobs.cancel()
        _wait_for_job(viewer)
        dock.places["threads"].click()


def _take_window(viewer: napari.Viewer, path: Path) -> None:
    """Take a picture of the whole window."""
    _settle()
    viewer.reset_view()
    _settle()
    _save(Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)), path)


@contextmanager
def _opened(viewer: napari.Viewer, name: str) -> Iterator[QWidget]:
    """Open a dock for a while."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    widget.setMinimumWidth(WIDTH_PX)
    _settle()
    yield widget
    viewer.window.remove_dock_widget(dock)
    _settle()


def _press(widget: QWidget, label: str) -> None:
    """Press the button whose label begins with some words."""
    for button in widget.findChildren(QPushButton):
        if button.text().startswith(label):
            button.click()
            return
    raise LookupError(f"There is no button '{label}'.")


def _wait_for_job(viewer: napari.Viewer) -> None:
    """Let the event loop run until what was begun has ended."""
    jobs = session(viewer).jobs
    if jobs.running:
        loop = QEventLoop()
        jobs.ended.connect(lambda _outcome: loop.quit())
        loop.exec()
    _settle()


def _settle(milliseconds: int = 500) -> None:
    """Let everything be laid out and painted."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def _drawn(widget: QWidget) -> Image.Image:
    """Draw a widget."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.ReadWrite)
    widget.grab().save(buffer, "PNG")
    return Image.open(io.BytesIO(bytes(buffer.data())))


def _save(picture: Image.Image, path: Path) -> None:
    """Write a picture in few colours."""
    few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    main()
