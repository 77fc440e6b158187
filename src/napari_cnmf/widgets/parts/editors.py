"""Editors of single values for forms: each only takes what its field allows.

All have the same face: `edited` tells what the user has put in, `show_value` shows a
value without telling, `commit` takes over text that is still being typed. The wheel
scrolls the form unless the editor has the focus, so no value changes by accident.
"""

from __future__ import annotations

import math
from dataclasses import Field
from typing import Any, Protocol

from qtpy.QtCore import QEvent, QLocale, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox

WIDTH_PX = 120

#: Of a field without limits; Qt's boxes need some.
_LIMIT = 1e9
_DECIMALS = 10


class Editor(Protocol):
    """What all editors have in common, beside being a `QWidget`.

    Attributes
    ----------
    edited : Signal(object)
        The value that the user has put in.
    start : object
        Where to start from when "auto" is switched off.
    """

    edited: Any
    start: Any

    @property
    def shown(self) -> Any:
        """The value that is shown."""

    def show_value(self, value: Any) -> None:
        """Show a value without telling anyone; None is shown as "auto"."""

    def commit(self) -> None:
        """Take over what is being typed."""


def editor_for(item: Field[Any], base: type) -> Any:
    """Make the editor of a field of a `Parameters` class."""
    if item.metadata["choices"]:
        editor: Any = ChoiceEditor(item)
    elif base is bool:
        editor = SwitchEditor(item)
    elif base is int:
        editor = IntegerEditor(item)
    elif base is float:
        editor = NumberEditor(item)
    else:
        editor = TextEditor(item)
    editor.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    if base is str and not item.metadata["choices"]:
        editor.setMinimumWidth(WIDTH_PX)  # a text takes what room there is
    else:
        editor.setFixedWidth(WIDTH_PX)  # so that all forms of a dock are aligned
    editor.installEventFilter(_CalmWheel(editor))
    return editor


def step_of(item: Field[Any]) -> float:
    """Step of a number's arrows: a tenth of its default, as 1, 2 or 5 times 10^n."""
    wanted = abs(float(start_of(item) or 1)) / 10
    power = 10.0 ** math.floor(math.log10(wanted))
    return max(nice * power for nice in (1, 2, 5) if nice * power <= wanted * 1.0001)


def start_of(item: Field[Any]) -> Any:
    """Value to start from: the default, or the allowed one nearest to one."""
    if item.default is not None:
        return item.default
    low, high = item.metadata["low"], item.metadata["high"]
    return max(low if low is not None else 1, min(1, high if high is not None else 1))


class IntegerEditor(QSpinBox):
    """Editor of a whole number."""

    edited = Signal(object)
    _auto = False

    def __init__(self, item: Field[Any]) -> None:
        super().__init__()
        low, high = item.metadata["low"], item.metadata["high"]
        self.setRange(
            int(-_LIMIT if low is None else low), int(_LIMIT if high is None else high)
        )
        self.setSingleStep(max(1, int(step_of(item))))
        self.setKeyboardTracking(False)
        self.start = start_of(item)
        self.show_value(self.start)
        self.valueChanged.connect(self.edited.emit)

    @property
    def shown(self) -> int:
        """The value that is shown."""
        return int(self.value())

    def show_value(self, value: int | None) -> None:
        """Show a value without telling anyone; None is shown as "auto"."""
        _show_number(self, value)

    def commit(self) -> None:
        """Take over what is being typed."""
        if self.isEnabled():
            self.interpretText()

    def textFromValue(self, value: int) -> str:  # noqa: N802 - Qt's name
        """Write the value."""
        return "auto" if self._auto else str(value)


class NumberEditor(QDoubleSpinBox):
    """Editor of a number, with as many decimals as it needs."""

    edited = Signal(object)
    _auto = False

    def __init__(self, item: Field[Any]) -> None:
        super().__init__()
        low, high = item.metadata["low"], item.metadata["high"]
        self.setLocale(QLocale.c())  # a point, as in recipes and papers
        self.setDecimals(_DECIMALS)
        self.setRange(-_LIMIT if low is None else low, _LIMIT if high is None else high)
        self.setSingleStep(step_of(item))
        self.setKeyboardTracking(False)
        self.start = start_of(item)
        self.show_value(self.start)
        self.valueChanged.connect(self.edited.emit)

    @property
    def shown(self) -> float:
        """The value that is shown."""
        return float(self.value())

    def show_value(self, value: float | None) -> None:
        """Show a value without telling anyone; None is shown as "auto"."""
        _show_number(self, value)

    def commit(self) -> None:
        """Take over what is being typed."""
        if self.isEnabled():
            self.interpretText()

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        """Write the value without idle zeros."""
        text = f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
        return "auto" if self._auto else text


class ChoiceEditor(QComboBox):
    """Editor of a value that is one of a few."""

    edited = Signal(object)

    def __init__(self, item: Field[Any]) -> None:
        super().__init__()
        for choice in item.metadata["choices"]:
            self.addItem(str(choice), choice)
        self.start = start_of(item)
        self.show_value(self.start)
        self.currentIndexChanged.connect(lambda: self.edited.emit(self.shown))

    @property
    def shown(self) -> str | int:
        """The value that is shown."""
        return self.currentData()

    def show_value(self, value: str | int) -> None:
        """Show a value without telling anyone."""
        with QSignalBlocker(self):
            self.setCurrentIndex(self.findData(value))

    def commit(self) -> None:
        """Nothing is typed here."""


class SwitchEditor(QCheckBox):
    """Editor of yes or no."""

    edited = Signal(object)

    def __init__(self, item: Field[Any]) -> None:
        super().__init__()
        self.start: bool = bool(item.default)
        self.show_value(self.start)
        self.toggled.connect(self.edited.emit)

    @property
    def shown(self) -> bool:
        """The value that is shown."""
        return bool(self.isChecked())

    def show_value(self, value: bool) -> None:
        """Show a value without telling anyone."""
        with QSignalBlocker(self):
            self.setChecked(value)

    def commit(self) -> None:
        """Nothing is typed here."""


class TextEditor(QLineEdit):
    """Editor of a text."""

    edited = Signal(object)

    def __init__(self, item: Field[Any]) -> None:
        super().__init__()
        self.start = str(item.default or "")
        self._known = ""
        self.show_value(self.start)
        self.setPlaceholderText("auto")
        self.editingFinished.connect(self.commit)

    @property
    def shown(self) -> str:
        """The value that is shown."""
        return str(self.text())

    def show_value(self, value: str | None) -> None:
        """Show a value without telling anyone; None is shown as "auto"."""
        self._known = value or ""
        self.setText(self._known)

    def commit(self) -> None:
        """Take over what is being typed."""
        if self.text() != self._known:
            self._known = self.text()
            self.edited.emit(self._known)


def _show_number(editor: Any, value: float | None) -> None:
    """Show a number, or the word "auto", in a spin box."""
    with QSignalBlocker(editor):
        editor._auto = value is None
        if value is not None:
            editor.setValue(value)
        editor.setSuffix("")  # writes the text anew


class _CalmWheel(QObject):
    """Leaves the wheel to the form while the editor has no focus."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Ignore wheel events of an editor without focus."""
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False
