"""Result movies, alone and side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_cnmf.formats.results import load
from napari_cnmf.reconstruction import Reconstruction
from napari_cnmf.widgets.docks.panels import PanelsWidget
from napari_cnmf.widgets.running import NO_CELLS, NO_REGISTERED
from napari_cnmf.widgets.views.resultviews import SIDE, SINGLE
from napari_cnmf.widgets.views.sidebyside import offsets_px, titles_of

PANELS = ("original", "reconstruction", "residual")


@pytest.fixture
def dock(viewer, found_folder):
    """The dock in a viewer that shows a result."""
    widget = PanelsWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Result movies")
    widget.workspace.open_result(load(found_folder.result), found_folder)
    return widget


def side(dock, name):
    """Layer of the three-panel view."""
    return dock.session.scene.layer(SIDE + name)


def visible(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers if layer.visible]


def test_without_a_result_it_says_what_to_do_first(viewer, qtbot):
    dock = PanelsWidget(viewer)
    qtbot.addWidget(dock)
    assert not dock.side.isEnabled()
    assert not dock.save.isEnabled()
    assert dock.views.lacks == NO_CELLS


def test_without_the_registered_movie_it_says_so(viewer, found, qtbot):
    dock = PanelsWidget(viewer)
    qtbot.addWidget(dock)
    dock.workspace.open_result(found)
    assert dock.views.lacks == NO_REGISTERED
    assert not dock.side.isEnabled()


def test_single_movies_are_shown_lazily_and_taken_away(dock):
    for role, box in dock.singles.items():
        box.click()
        assert not isinstance(dock.session.scene.layer(role).data, np.ndarray)
    t, components = 40, dock.workspace.components
    movie = dock.workspace.registered.read(slice(t, t + 1))[0]
    parts = {role: dock.session.scene.layer(role).data[t] for role in SINGLE}
    shown = parts["denoised"] + parts["residual"]
    np.testing.assert_allclose(shown, movie, atol=1e-2)
    dock.switches["background"].click()
    denoised = dock.session.scene.layer("denoised")
    cells = Reconstruction(components, components.accepted, background=False)
    np.testing.assert_allclose(denoised.data[t], cells[t], atol=1e-3)
    shown = denoised.data[t] + parts["background"] + parts["residual"]
    np.testing.assert_allclose(shown, movie, atol=1e-2)
    assert denoised.contrast_limits[0] < 1
    for role, box in dock.singles.items():
        box.click()
        assert dock.session.scene.layer(role) is None


def test_panels_stand_side_by_side_and_share_the_slider(dock, viewer):
    dock.side.click()
    width = dock.workspace.components.fov_shape[1]
    lefts = [side(dock, name).translate[2] for name in PANELS]
    np.testing.assert_allclose(
        lefts, offsets_px(width) * side(dock, "original").scale[2]
    )
    assert np.all(np.diff(offsets_px(width)) > width)
    scene = dock.session.scene
    scene.go_to_frame(77)
    movie = dock.workspace.registered.read(slice(77, 78))[0]
    np.testing.assert_array_equal(side(dock, "original").data[77], movie)
    assert visible(viewer) == [*PANELS, "titles", "accepted cells"]


def test_leaving_shows_again_what_was_shown_before(dock, viewer):
    dock.session.scene.layer("mean").visible = True
    before = visible(viewer)
    names = [layer.name for layer in viewer.layers]
    dock.side.click()
    dock.side.click()
    assert visible(viewer) == before
    assert [layer.name for layer in viewer.layers] == names


def test_closing_one_panel_leaves_the_view(dock, viewer):
    before = visible(viewer)
    dock.side.click()
    viewer.layers.remove(side(dock, "residual"))
    assert visible(viewer) == before
    assert not dock.side.isChecked()


def test_reopening_the_dock_finds_the_panels(dock, viewer, qtbot):
    dock.side.click()
    dock.switches["accepted_only"].click()
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    again = PanelsWidget(viewer)
    qtbot.addWidget(again)
    assert again.side.isChecked()
    assert not again.switches["accepted_only"].isChecked()


def test_background_and_gain(dock):
    dock.side.click()
    t = 30
    residual = side(dock, "residual").data[t]
    dock.gain.setValue(4)
    np.testing.assert_allclose(side(dock, "residual").data[t], 4 * residual, rtol=1e-4)
    assert (
        list(side(dock, "titles").features["title"])[2]
        == "residual \N{MULTIPLICATION SIGN} 4"
    )
    with_background = side(dock, "reconstruction").data[t]
    dock.switches["background"].click()
    cells = side(dock, "reconstruction").data[t]
    assert cells.mean() < with_background.mean()
    assert cells.min() >= 0


def test_colour_replaces_the_grey_panel_in_its_place(dock, viewer):
    dock.side.click()
    order = [layer.name for layer in viewer.layers]
    dock.switches["colour"].click()
    assert side(dock, "reconstruction").rgb
    assert [layer.name for layer in viewer.layers] == order
    dock.switches["colour"].click()
    assert not side(dock, "reconstruction").rgb


def test_contours_are_drawn_on_every_panel(dock):
    dock.side.click()
    accepted = dock.session.scene.layer("accepted").data
    drawn = side(dock, "contours True").data
    assert len(drawn) == 3 * len(accepted)
    np.testing.assert_allclose(
        drawn[len(accepted) :, 0, 1][: len(accepted)],
        accepted[:, 0, 1] + offsets_px(dock.workspace.components.fov_shape[1])[1],
        rtol=1e-5,
    )
    dock.switches["contours"].click()
    assert not side(dock, "contours True").visible
    dock.switches["contours"].click()
    dock.switches["accepted_only"].click()
    assert side(dock, "contours False").visible


def test_another_verdict_changes_the_panels(dock, qtbot):
    dock.side.click()
    components = dock.workspace.components
    k = int(np.flatnonzero(components.accepted)[0])
    peak = int(components.denoised[k].argmax())
    pixel = np.unravel_index(components.footprint(k).argmax(), components.fov_shape)
    before = side(dock, "reconstruction").data[peak][pixel]
    dock.workspace.decide([int(components.ids[k])], -1)
    qtbot.waitUntil(lambda: side(dock, "reconstruction").data[peak][pixel] < before)


def test_a_new_run_takes_the_panels_away(dock, viewer):
    dock.side.click()
    result = dock.workspace.result
    dock.workspace.set_result(replace(result, components=None))
    assert not dock.views.side_by_side
    assert not dock.side.isEnabled()


def test_titles_say_what_is_shown(dock):
    view = dock.views.view
    assert titles_of(view) == ("original", "reconstruction", "residual")
    other = replace(view, background=False, accepted_only=False, residual_gain=2.5)
    assert titles_of(other) == (
        "original less background",
        "reconstruction of all cells",
        "residual \N{MULTIPLICATION SIGN} 2.5",
    )


def test_the_film_holds_the_chosen_frames(dock, tmp_path, qtbot):
    import av

    dock.film.first.setValue(10)
    dock.film.stop.setValue(40)
    dock.write_film(tmp_path / "film.mp4")
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=20_000)
    assert dock.message == f"Wrote {tmp_path / 'film.mp4'}."
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 30


def test_a_film_can_be_cancelled(dock, tmp_path, qtbot):
    dock.write_film(tmp_path / "film.mp4")
    dock.session.jobs.cancel()
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=20_000)
    assert not list(tmp_path.glob("film*"))
