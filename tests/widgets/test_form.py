"""A form shows every parameter class as it is, and gives back what is put in."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_cnmf.compute import Computing
from napari_cnmf.compute.parameters import SlurmParameters
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.movie.parameters import AcquisitionParameters, InputParameters
from napari_cnmf.parameters import Parameters, base_type
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.parts.form import Form, caption

CLASSES = [kind for of in (Recipe, Computing) for kind in get_type_hints(of).values()]


def values(kind: type[Parameters]) -> st.SearchStrategy[Parameters]:
    """Any allowed parameters of a class."""
    return st.builds(kind, **{f.name: _values(kind, f) for f in fields(kind)})


def _values(kind: type[Parameters], item: Any) -> st.SearchStrategy[Any]:
    base, optional = base_type(kind, item.name)
    about = item.metadata
    if about["choices"]:
        found: st.SearchStrategy[Any] = st.sampled_from(about["choices"])
    elif base is bool:
        found = st.booleans()
    elif base is int:
        found = st.integers(int(about["low"]), int(about["high"]))
    elif base is float:
        found = st.floats(about["low"], about["high"])
    else:
        found = st.text(min_size=1)
    return st.none() | found if optional else found


@pytest.fixture
def form(qtbot):
    def made(parameters: Parameters, *names: str) -> Form:
        form = Form(parameters, names or None)
        qtbot.addWidget(form)
        form.show()
        return form

    return made


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.group)
def test_the_defaults_are_shown_as_they_are(kind, form):
    shown = form(kind())
    assert shown.value == kind()
    assert shown.names == _folded_last(kind)


def _folded_last(kind: type[Parameters]) -> tuple[str, ...]:
    by_rarity = sorted(fields(kind), key=lambda item: item.metadata["advanced"])
    return tuple(item.name for item in by_rarity)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.group)
def test_any_value_comes_back_and_is_what_the_editors_show(kind, qapp):
    shown = Form(kind())

    @given(values(kind))
    def comes_back(parameters: Parameters) -> None:
        shown.set_value(parameters)
        assert shown.value == parameters
        for name, value in parameters.to_dict().items():
            if value is not None:
                assert shown.editor(name).shown == pytest.approx(value, abs=1e-9)

    comes_back()
    shown.deleteLater()


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.group)
def test_editors_take_the_limits_and_nothing_beyond(kind, form):
    shown = form(kind())
    for item in fields(kind):
        low, high = item.metadata["low"], item.metadata["high"]
        if low is None or item.metadata["choices"]:
            continue
        editor = shown.editor(item.name)
        editor.setValue(high * 2 + 1)
        assert editor.value() == high
        editor.setValue(-abs(low) * 2 - 1)
        assert editor.value() == low


def test_an_edit_is_told_with_all_other_fields(form, qtbot):
    shown = form(MotionParameters(template_iterations=4))
    with qtbot.waitSignal(shown.changed) as told:
        shown.editor("max_shift_px").setValue(20)
    assert told.args == [MotionParameters(max_shift_px=20, template_iterations=4)]
    assert shown.value == told.args[0]


def test_setting_a_value_is_not_an_edit(form, qtbot):
    shown = form(MotionParameters())
    with qtbot.assertNotEmitted(shown.changed):
        shown.set_value(MotionParameters(mode="none", max_shift_px=3))


def test_typed_text_counts_without_enter(form, qtbot):
    shown = form(MotionParameters())
    editor = shown.editor("max_shift_px")
    editor.setFocus()
    editor.selectAll()
    qtbot.keyClicks(editor, "7.5")
    assert shown.value.max_shift_px == 7.5


def test_auto_gives_none_and_back_the_value_it_stood_for(form):
    shown = form(AcquisitionParameters(), "frame_rate_hz")
    auto = shown.auto_box("frame_rate_hz")
    assert auto.isChecked()
    assert not shown.editor("frame_rate_hz").isEnabled()
    shown.show_auto("frame_rate_hz", 15.5)
    auto.click()
    assert shown.value.frame_rate_hz == 15.5
    auto.click()
    assert shown.value.frame_rate_hz is None


def test_an_optional_text_is_auto_while_it_is_empty(form, qtbot):
    shown = form(SlurmParameters(queue="long"))
    assert shown.auto_box("queue") is None
    editor = shown.editor("queue")
    assert editor.text() == "long"
    editor.selectAll()
    qtbot.keyClicks(editor, "short")
    assert shown.value.queue == "short"
    editor.clear()
    assert shown.value.queue is None
    assert editor.placeholderText() == "auto"


def test_unknown_auto_says_so(form):
    shown = form(InputParameters(), "last_frame")
    assert shown.editor("last_frame").text() == "auto"
    shown.auto_box("last_frame").click()
    assert shown.editor("last_frame").text() == "1"


def test_rare_fields_are_folded_away(form):
    shown = form(MotionParameters())
    assert shown.editor("mode").isVisible()
    assert not shown.editor("template_frames").isVisible()
    shown.more.click()
    assert shown.editor("template_frames").isVisible()


def test_an_error_stands_below_its_field_until_that_is_changed(form):
    shown = form(MotionParameters())
    shown.show_error("template_frames", "There are only 50 frames.")
    assert shown.editor("template_frames").isVisible()
    assert shown.error("template_frames") == "There are only 50 frames."
    shown.editor("mode").setCurrentText("none")
    assert shown.error("template_frames")
    shown.editor("template_frames").setValue(50)
    assert shown.error("template_frames") == ""


@pytest.mark.parametrize("name", ["mode", "max_shift_px", "template_frames"])
def test_the_wheel_changes_nothing_without_focus(form, name):
    shown = form(MotionParameters())
    editor = shown.editor(name)
    editor.clearFocus()
    turn = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPoint(0, 0),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(editor, turn)
    assert shown.value == MotionParameters()


@pytest.mark.parametrize(
    ("group", "name", "words"),
    [
        ("motion", "max_shift_px", "Max shift (px)"),
        ("acquisition", "pixel_size_um", "Pixel size (µm)"),
        ("acquisition", "frame_rate_hz", "Frame rate (Hz)"),
        ("init", "event_threshold_sd", "Event threshold (SD)"),
        ("background", "pitch_diameters", "Pitch (diameters)"),
        ("quality", "caiman_min_snr", "CaImAn min SNR"),
        ("dff", "percentile", "Percentile (%)"),
        ("compute", "memory_gb", "Memory (GB)"),
    ],
)
def test_captions_are_words_with_the_unit(group, name, words):
    kind = (get_type_hints(Recipe) | get_type_hints(Computing))[group]
    assert words in [caption(item) for item in fields(kind) if item.name == name]


def test_the_tooltip_says_what_limits_and_the_name_in_caiman(form):
    text = form(MotionParameters()).editor("max_shift_px").toolTip()
    for part in ("Largest shift", "from 1 to 200 px", "CaImAn: motion.max_shifts"):
        assert part in text


def test_fields_that_do_not_matter_are_hidden_and_keep_their_values(form):
    shown = form(MotionParameters(max_shift_px=7.0))
    shown.show_only(["mode", "template_iterations"])
    assert shown.editor("mode").isVisible()
    assert not shown.editor("max_shift_px").isVisible()
    assert not shown.editor("template_iterations").isVisible()
    shown.more.click()
    assert shown.editor("template_iterations").isVisible()
    assert not shown.editor("template_frames").isVisible()
    assert shown.value.max_shift_px == 7
    shown.show_only(["mode"])
    assert not shown.more.isVisible()
