"""A form for one group of parameters, made from what the group knows of its fields.

Each field is one row: a caption with the unit, an editor that only takes allowed
values, and for optional numbers a check box "auto"; an optional text is "auto" while it
is empty. Rarely used fields are folded away.
The form keeps the exact value; an editor only replaces what its user has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import Field, fields, replace
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QToolButton, QWidget

from napari_cnmf.parameters import Parameters, base_type, constraint
from napari_cnmf.widgets.parts.editors import editor_for

#: Readable on napari's dark and light theme.
ERROR_COLOUR = "#e5534b"

#: Kept free beside editors without "auto" too, so that forms are aligned.
_AUTO_PX = 54
_UNITS = {
    "px": "px",
    "s": "s",
    "Hz": "Hz",
    "um": "µm",
    "sd": "SD",
    "%": "%",
    "GB": "GB",
}
_SUFFIXES = ("px", "s", "hz", "um", "sd", "gb")
_COUNTED = ("somas", "diameters")
_WORDS = {"snr": "SNR", "dff": "dF/F", "caiman": "CaImAn"}


class Form(QWidget):
    """Editors for the fields of a `Parameters` value.

    Parameters
    ----------
    parameters : Parameters
        What is shown at first; its class decides the fields.
    names : sequence of str, optional
        Fields to show, in this order; all by default.
    """

    #: The new `Parameters`, after the user has changed a field.
    changed = Signal(object)

    def __init__(
        self, parameters: Parameters, names: Sequence[str] | None = None
    ) -> None:
        super().__init__()
        self._value = parameters
        known = {item.name: item for item in fields(parameters)}
        shown = [known[name] for name in names or known]
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnMinimumWidth(2, _AUTO_PX)
        self._rows: dict[str, _Row] = {}
        for item in shown:
            if not item.metadata["advanced"]:
                self._add(item)
        self._fold([item for item in shown if item.metadata["advanced"]])
        self.show_only(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Fields that the form shows."""
        return tuple(self._rows)

    @property
    def value(self) -> Parameters:
        """The parameters as they are shown, text that is being typed included."""
        for row in self._rows.values():
            row.editor.commit()
        return self._value

    def set_value(self, parameters: Parameters) -> None:
        """Show other parameters; `changed` is not emitted."""
        self._value = parameters
        for name, row in self._rows.items():
            row.show_value(getattr(parameters, name))

    def show_only(self, names: Collection[str]) -> None:
        """Show these of the fields; the others do not matter as things are."""
        self._wanted = frozenset(names)
        folded = [name for name, row in self._rows.items() if row.advanced]
        self.more.setVisible(not self._wanted.isdisjoint(folded))
        self._unfold(self.more.isChecked())

    def show_auto(self, name: str, value: Any) -> None:
        """Show what "auto" stands for in an optional field; None if not known."""
        self._rows[name].show_auto(value)

    def show_error(self, name: str, text: str) -> None:
        """Show what is wrong below a field until it is changed; "" takes it away."""
        row = self._rows[name]
        row.show_error(text)
        if text and row.advanced:
            self.more.setChecked(True)
        if text:
            row.editor.setFocus()

    def clear_errors(self) -> None:
        """Take away what was said about wrong values."""
        for row in self._rows.values():
            row.show_error("")

    def editor(self, name: str) -> Any:
        """Return the `Editor` of a field."""
        return self._rows[name].editor

    def auto_box(self, name: str) -> QCheckBox | None:
        """Return the check box "auto" of a field, None if it has none."""
        return self._rows[name].auto

    def error(self, name: str) -> str:
        """Return what is said to be wrong with a field."""
        return self._rows[name].error

    def _add(self, item: Field[Any]) -> None:
        """Put one field below the others."""
        row = _Row(self._value, item, self._grid)
        row.edited = lambda value: self._edit(item.name, value)
        self._rows[item.name] = row

    def _fold(self, items: list[Field[Any]]) -> None:
        """Put rarely used fields below a button that shows them."""
        self.more = QToolButton(self)
        self.more.setText("More")
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.setToolTip("Settings that rarely need a change")
        self.more.toggled.connect(self._unfold)
        if items:
            self._grid.addWidget(self.more, self._grid.rowCount(), 0, 1, 3)
        for item in items:
            self._add(item)

    def _unfold(self, shown: bool) -> None:
        """Show or hide the rarely used fields."""
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self.more.setArrowType(arrow)
        for name, row in self._rows.items():
            row.set_visible(name in self._wanted and (shown or not row.advanced))

    def _edit(self, name: str, value: Any) -> None:
        """Take over what the user has put into one field."""
        self._value = replace(self._value, **{name: value})
        self._rows[name].show_error("")
        self.changed.emit(self._value)


class _Row:
    """One field: caption, editor, check box "auto" and room for an error."""

    def __init__(
        self, parameters: Parameters, item: Field[Any], grid: QGridLayout
    ) -> None:
        base, optional = base_type(type(parameters), item.name)
        self._empty_is_auto = optional and base is str
        self.advanced = bool(item.metadata["advanced"])
        self.editor = editor_for(item, base)
        self.editor.edited.connect(self._changed)
        self._auto_value: Any = None
        self._caption = QLabel(caption(item))
        self._caption.setBuddy(self.editor)
        self._caption.setToolTip(tooltip(item, base, optional))
        self.editor.setToolTip(self._caption.toolTip())
        self._error = QLabel()
        self._error.setWordWrap(True)
        self._error.setStyleSheet(f"color: {ERROR_COLOUR}")
        self._error.hide()
        place = grid.rowCount()
        grid.addWidget(self._caption, place, 0)
        grid.addWidget(self.editor, place, 1, 1, 2 if base is str else 1)
        grid.addWidget(self._error, place + 1, 0, 1, 3)
        self.auto: QCheckBox | None = None
        if optional and not self._empty_is_auto:
            self.auto = QCheckBox("auto")
            self.auto.setToolTip("Leave the choice to the program")
            self.auto.toggled.connect(self._switch)
            grid.addWidget(self.auto, place, 2)
        self.edited: Any = None
        self.show_value(getattr(parameters, item.name))

    def show_value(self, value: Any) -> None:
        """Show a value, None as "auto"."""
        if self.auto is not None:
            self.auto.blockSignals(True)
            self.auto.setChecked(value is None)
            self.auto.blockSignals(False)
            self.editor.setEnabled(value is not None)
        self.editor.show_value(self._auto_value if value is None else value)

    def show_auto(self, value: Any) -> None:
        """Show what "auto" stands for."""
        self._auto_value = value
        if self.auto is not None and self.auto.isChecked():
            self.editor.show_value(value)

    @property
    def error(self) -> str:
        """What is said to be wrong."""
        return str(self._error.text())

    def show_error(self, text: str) -> None:
        """Show a text in the colour of errors."""
        self._error.setText(text)
        self._error.setVisible(bool(text))

    def set_visible(self, shown: bool) -> None:
        """Show or hide the row."""
        widgets = (self._caption, self.editor, self.auto)
        for widget in filter(None, widgets):
            widget.setVisible(shown)
        self._error.setVisible(shown and bool(self._error.text()))

    def _switch(self, automatic: bool) -> None:
        """Go over to "auto", or to the value that the editor holds."""
        known = self._auto_value
        self.editor.setEnabled(not automatic)
        if not automatic and known is None:
            known = self.editor.start
        self.editor.show_value(known)
        self._changed(None if automatic else self.editor.shown)

    def _changed(self, value: Any) -> None:
        """Pass on a change by the user."""
        self.edited(None if self._empty_is_auto and value == "" else value)


def caption(item: Field[Any]) -> str:
    """Name of a field in words, with its unit: "Max shift (px)"."""
    words = item.name.split("_")
    unit = _UNITS.get(item.metadata["unit"], "")
    if words[-1] in _COUNTED:
        unit = words.pop()
    elif words[-1] in _SUFFIXES:
        words.pop()
    text = " ".join(_WORDS.get(word, word) for word in words)
    return text[0].upper() + text[1:] + (f" ({unit})" if unit else "")


def tooltip(item: Field[Any], base: type, optional: bool) -> str:
    """Say what a field is, which values it takes and what CaImAn calls it."""
    allowed = constraint(item, base, optional)
    lines = [item.metadata["doc"], f"{allowed[0].upper()}{allowed[1:]}."]
    if item.metadata["caiman"] != "new":
        lines.append(f"CaImAn: {item.metadata['caiman']}")
    return "<br>".join(f"<p style='margin:0'>{_escaped(line)}</p>" for line in lines)


def _escaped(text: str) -> str:
    """Write a text as HTML: Qt only wraps tooltips in HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
