"""What all docks share: state, a body that scrolls, a message line; and run buttons.

A dock shows what is in the workspace and changes it by the workspace's methods, so
docks need not know each other. A stage's dock has forms bound to the recipe, buttons
that say why they cannot be pressed yet, and the progress of what runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from napari.viewer import Viewer
from psygnal import SignalInstance
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.errors import CnmfError
from napari_cnmf.parameters import Parameters
from napari_cnmf.widgets.jobs import Work
from napari_cnmf.widgets.lifetime import connect
from napari_cnmf.widgets.parts.form import ERROR_COLOUR, Form
from napari_cnmf.widgets.parts.runbar import RunBar
from napari_cnmf.widgets.session import session

__all__ = ["Dock", "StageDock", "connect", "heading", "wrapped"]

T = TypeVar("T")

Parent = TypeVar("Parent", bound=QWidget)

_PARAMETER = re.compile(r"\b([a-z_]+)\.([a-z_]+)\b")


class Dock(QWidget):
    """Base of all docks.

    Parameters
    ----------
    napari_viewer : Viewer

    Attributes
    ----------
    session : Session
        Of the viewer.
    workspace : Workspace
        What is open in the viewer.
    body : QVBoxLayout
        Content goes here; it scrolls if it is too high.
    footer : QVBoxLayout
        Stays in sight below the body.
    """

    #: One or two lines at the top: what this dock is for.
    intro: ClassVar[str] = ""
    #: Side of the window where it belongs; others of ours there become tabs.
    area: ClassVar[Qt.DockWidgetArea] = Qt.DockWidgetArea.RightDockWidgetArea
    #: Whether the body scrolls; content that scrolls by itself needs no other.
    scrolls: ClassVar[bool] = True

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.session = session(napari_viewer)
        self.workspace = self.session.workspace
        self.setMinimumWidth(350)
        # Otherwise napari adds empty space at the bottom.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        content = QWidget()
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(2, 2, 2, 2)
        if self.scrolls:
            self.body.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.scroll_area = _scrolling(content) if self.scrolls else None
        layout.addWidget(self.scroll_area or content, 1)
        self.footer = QVBoxLayout()
        layout.addLayout(self.footer)
        self._message = wrapped("")
        self._message.hide()
        layout.addWidget(self._message)
        if self.intro:
            self.body.addWidget(wrapped(self.intro))
        self.session.jobs.warm_up()
        settling = QTimer(self)  # once napari has put it into the window
        settling.setSingleShot(True)
        settling.timeout.connect(self._settle)
        settling.start(0)

    def _settle(self) -> None:
        """Go to the side where it belongs, as a tab if there is another of ours.

        napari puts every plugin's dock below the others at the right, where a few of
        them leave no room for any.
        """
        frame = _ancestor(self, QDockWidget)
        window = None if frame is None else _ancestor(frame, QMainWindow)
        if frame is None or window is None or frame.isFloating():
            return
        if window.dockWidgetArea(frame) != self.area:
            window.addDockWidget(self.area, frame)
        for other in window.findChildren(QDockWidget):
            here = other is not frame and window.dockWidgetArea(other) == self.area
            if here and other.isVisible() and other.findChild(Dock) is not None:
                window.tabifyDockWidget(other, frame)
                frame.raise_()
                return

    def listen(self, signal: SignalInstance, slot: Callable[..., None]) -> None:
        """Call a slot at each emission, as long as the widget lives."""
        connect(self, signal, slot)

    @property
    def message(self) -> str:
        """What is said at the bottom."""
        return str(self._message.text())

    def say(self, text: str, kind: str = "info") -> None:
        """Show a message at the bottom; "" takes it away.

        Parameters
        ----------
        text : str
        kind : "info" or "error"
        """
        # Without a style of its own the text has the theme's colour.
        style = f"color: {ERROR_COLOUR}" if kind == "error" else ""
        self._message.setStyleSheet(style)
        self._message.setText(text)
        self._message.setVisible(bool(text))

    def ask(self, question: str) -> bool:
        """Ask a question that yes or no answers; no is the default."""
        answer = QMessageBox.question(
            self,
            self.windowTitle() or "CNMF",
            question,
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
            QMessageBox.StandardButton.No,
        )
        return bool(answer == QMessageBox.StandardButton.Yes)


@dataclass(frozen=True, eq=False)
class _Action:
    """A button that begins work, and what it still needs."""

    button: QPushButton
    needs: Callable[[], str]
    tooltip: str


class StageDock(Dock):
    """A dock with forms of parameter groups, buttons that run stages, and progress."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.forms: dict[str, Form] = {}
        self._actions: list[_Action] = []
        self._hint = wrapped("")
        self._hint.hide()
        self.footer.addWidget(self._hint)
        self._buttons = QHBoxLayout()
        self.footer.addLayout(self._buttons)
        jobs = self.session.jobs
        self.run_bar = RunBar(jobs)
        self.footer.addWidget(self.run_bar)
        self.listen(self.workspace.recipe_changed, self._show_recipe)
        for signal in (
            self.workspace.movie_changed,
            self.workspace.folder_changed,
            self.workspace.result_changed,
            jobs.started,
            jobs.ended,
        ):
            self.listen(signal, self.refresh)
        self._begun = False
        self._faulty: QWidget | None = None
        self.listen(jobs.failed, self._hear_failure)
        self.listen(jobs.ended, self._hear_end)

    def add_form(
        self, group: str, names: Sequence[str] | None = None, title: str = ""
    ) -> Form:
        """Add a form of a recipe's group, which follows and changes the recipe.

        Parameters
        ----------
        group : str
            Such as "motion".
        names : sequence of str, optional
            Fields to show; all by default.
        title : str
            Heading above the form.
        """
        form = Form(getattr(self.workspace.recipe, group), names)
        form.changed.connect(lambda value: self._change(group, value))
        self.forms[group] = form
        if title:
            self.body.addWidget(heading(title))
        self.body.addWidget(form)
        return form

    def add_action(
        self,
        label: str,
        work: Callable[[], None],
        needs: Callable[[], str],
        tooltip: str = "",
    ) -> QPushButton:
        """Add a button that begins work.

        Parameters
        ----------
        label : str
            A verb of the field: "Correct motion".
        work : callable
            Called when the button is pressed, with the forms taken over.
        needs : callable
            Says what must be done first, "" if nothing.
        tooltip : str
            What the button does.
        """
        button = QPushButton(label)
        button.clicked.connect(lambda: self._press(work))
        self._buttons.addWidget(button)
        self._actions.append(_Action(button, needs, tooltip))
        self.refresh()
        return button

    def commit(self) -> None:
        """Take over what is still being typed into the forms."""
        for group, form in self.forms.items():
            self._change(group, form.value)

    def begin(
        self, title: str, work: Work[T], done: Callable[[T], None] | None = None
    ) -> None:
        """Start a job whose failure is told in this dock; see `Jobs.start`."""
        self._begun = self.session.jobs.start(title, work, done)

    @property
    def hint(self) -> str:
        """What must be done before any of the buttons can be pressed."""
        return str(self._hint.text())

    @property
    def buttons(self) -> list[QPushButton]:
        """The buttons that begin work."""
        return [action.button for action in self._actions]

    def refresh(self) -> None:
        """Show which buttons can be pressed, and what the others need first."""
        jobs = self.session.jobs
        busy = f"{jobs.title} is running." if jobs.running else ""
        missing = [action.needs() for action in self._actions]
        for action, lack in zip(self._actions, missing, strict=True):
            action.button.setEnabled(not (lack or busy))
            action.button.setToolTip(lack or busy or action.tooltip)
        first = missing[0] if missing and all(missing) else ""
        self._hint.setText(first)
        self._hint.setVisible(bool(first))

    def show_failure(self, error: Exception) -> None:
        """Show an error at the bottom, and beside the field that it is about."""
        self.say(str(error), "error")
        self._mark(error)

    def _mark(self, error: Exception) -> None:
        """Show an error beside the field that it names, if this dock has it."""
        for group, name in _PARAMETER.findall(str(error)):
            form = self.forms.get(group)
            if form is not None and name in form.names:
                form.show_error(name, str(error))
                self._faulty = form.editor(name)
                QTimer.singleShot(0, self._reveal)  # once it has its place
                return

    def _reveal(self) -> None:
        """Scroll to the field with an error."""
        if self.scroll_area is not None and self._faulty is not None:
            self.scroll_area.ensureWidgetVisible(self._faulty)

    def _hear_failure(self, error: Exception) -> None:
        """Show why a job failed: all of it where it began, or beside the field."""
        if self._begun:
            self.show_failure(error)
        else:
            self._mark(error)

    def _hear_end(self, outcome: str) -> None:
        """Say that a job that began here was cancelled."""
        if self._begun and outcome == "cancelled":
            self.say("Cancelled; what was finished is kept.")
        self._begun = False

    def _press(self, work: Callable[[], None]) -> None:
        """Begin what a button stands for."""
        self.say("")
        for form in self.forms.values():
            form.clear_errors()
        self.commit()
        try:
            work()
        except CnmfError as error:
            self.show_failure(error)

    def _change(self, group: str, value: Parameters) -> None:
        """Put a form's values into the recipe."""
        recipe: Any = self.workspace.recipe
        self.workspace.set_recipe(replace(recipe, **{group: value}))

    def _show_recipe(self) -> None:
        """Show the recipe's values in the forms."""
        for group, form in self.forms.items():
            form.set_value(getattr(self.workspace.recipe, group))


def _ancestor(widget: QWidget, kind: type[Parent]) -> Parent | None:
    """Nearest widget of a kind that holds a widget."""
    above = widget.parentWidget()
    while above is not None and not isinstance(above, kind):
        above = above.parentWidget()
    return above


def heading(text: str) -> QLabel:
    """Heading of a part of a dock."""
    label = QLabel(f"<b>{text}</b>")
    label.setContentsMargins(0, 6, 0, 0)
    return label


def wrapped(text: str) -> QLabel:
    """Text that takes as many lines as it needs."""
    label = QLabel(text)
    label.setWordWrap(True)
    return label


def _scrolling(content: QWidget) -> QScrollArea:
    """Put a widget into an area that scrolls up and down."""
    area = QScrollArea()
    area.setWidget(content)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
