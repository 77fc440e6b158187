"""The rule's limits over histograms, how many cells they accept, undo and redo."""

from __future__ import annotations

from dataclasses import fields, replace

from napari.layers import Layer
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.colours import ACCEPTED, REJECTED
from napari_cnmf.components import Quality
from napari_cnmf.quality.criteria import CRITERIA
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.widgets.docks.dock import wrapped
from napari_cnmf.widgets.lifetime import connect
from napari_cnmf.widgets.parts.editors import editor_for
from napari_cnmf.widgets.parts.form import caption, tooltip
from napari_cnmf.widgets.parts.limits import LimitSliders, narrow
from napari_cnmf.widgets.session import Session


class Verdicts(QWidget):
    """Shows and moves the limits of the rule in force."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._workspace, self._scene = session.workspace, session.scene
        self.sliders = {rule: LimitSliders(CRITERIA[rule]) for rule in CRITERIA}
        self._layer: Layer | None = None
        self.counts = wrapped("")
        self.undo = _button("Undo", "Take back the last change of verdicts (Ctrl+Z)")
        self.redo = _button("Redo", "Make it again (Ctrl+Shift+Z)")
        self.reset = _button("Defaults", "Put all limits of this rule back")
        self.show_rejected = QCheckBox("show rejected")
        self.show_rejected.setToolTip("Show the contours of rejected cells")
        self.show_rejected.setChecked(True)
        (item,) = (f for f in fields(QualityParameters) if f.name == "rule")
        self.rule = editor_for(item, str)
        self.rule.setToolTip(tooltip(item, str, optional=False))
        self._arrange(caption(item))
        self._connect()
        self.refresh()

    def refresh(self) -> None:
        """Show where the limits stand, and who is accepted."""
        quality, parameters = self._workspace.quality, self._workspace.recipe.quality
        self.rule.show_value(parameters.rule)
        for rule, sliders in self.sliders.items():
            sliders.setVisible(quality is not None and rule == parameters.rule)
        self._judged.setVisible(quality is not None)
        if quality is not None:
            self.sliders[parameters.rule].show_limits(quality, parameters)
            self.counts.setText(counted(quality))
        self.undo.setEnabled(self._workspace.can_undo)
        self.redo.setEnabled(self._workspace.can_redo)
        self._show_layer()

    def take_back(self) -> None:
        """Take back the last change of verdicts."""
        self._workspace.undo()

    def make_again(self) -> None:
        """Make the change that was taken back again."""
        self._workspace.redo()

    def put_back(self) -> None:
        """Put all limits of the rule in force back to their defaults."""
        current, defaults = self._workspace.recipe.quality, QualityParameters()
        limits = {c.parameter for c in CRITERIA[current.rule]}
        self._judge(
            replace(current, **{name: getattr(defaults, name) for name in limits})
        )

    def _arrange(self, rule_caption: str) -> None:
        """Put the rule above its limits, and what they lead to below."""
        rules = QFormLayout()
        rules.addRow(rule_caption, self.rule)
        history = QHBoxLayout()
        for button in (self.undo, self.redo, self.reset):
            history.addWidget(button)
        self._judged = QWidget()
        judged = QVBoxLayout(self._judged)
        judged.setContentsMargins(0, 0, 0, 0)
        judged.addWidget(self.counts)
        judged.addWidget(self.show_rejected)
        judged.addLayout(history)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(rules)
        for sliders in self.sliders.values():
            column.addWidget(sliders)
        column.addWidget(self._judged)

    def _connect(self) -> None:
        """Listen to the user and to the workspace."""
        workspace = self._workspace
        self.rule.edited.connect(self._choose_rule)
        for sliders in self.sliders.values():
            sliders.moved.connect(workspace.set_limits)
            sliders.released.connect(workspace.keep)
        self.undo.clicked.connect(self.take_back)
        self.redo.clicked.connect(self.make_again)
        self.reset.clicked.connect(self.put_back)
        self.show_rejected.toggled.connect(self._toggle_rejected)
        for signal in (
            workspace.result_changed,
            workspace.quality_changed,
            workspace.recipe_changed,
        ):
            connect(self, signal, self.refresh)

    def _choose_rule(self, rule: str) -> None:
        """Judge by another rule."""
        self._judge(replace(self._workspace.recipe.quality, rule=rule))

    def _judge(self, parameters: QualityParameters) -> None:
        """Apply parameters at once, or from the first evaluation on."""
        workspace = self._workspace
        if workspace.quality is None:
            workspace.set_recipe(replace(workspace.recipe, quality=parameters))
        else:
            workspace.set_limits(parameters)
            workspace.keep()

    def _toggle_rejected(self, shown: bool) -> None:
        """Show or hide the contours of rejected cells."""
        layer = self._scene.layer("rejected")
        if layer is not None:
            layer.visible = shown

    def _show_layer(self) -> None:
        """Show whether the layer of rejected cells is visible, and follow it."""
        layer = self._scene.layer("rejected")
        if layer is None:
            return
        with QSignalBlocker(self.show_rejected):
            self.show_rejected.setChecked(layer.visible)
        if layer is not self._layer:
            self._layer = layer
            self._follow(layer)

    def _follow(self, layer: Layer) -> None:
        """Hear when a layer is shown or hidden, as long as this widget lives."""
        connect(self, layer.events.visible, self._show_layer)


def counted(quality: Quality) -> str:
    """Say how many cells are accepted and rejected, and how many of them by hand."""
    by_hand = quality.manual != 0
    return ", ".join(
        f"<b style='color:{colour}'>{int(mask.sum())} {word}</b>"
        + (f" ({n} by hand)" if (n := int((mask & by_hand).sum())) else "")
        for word, colour, mask in (
            ("accepted", ACCEPTED, quality.accepted),
            ("rejected", REJECTED, ~quality.accepted),
        )
    )


def _button(text: str, tooltip: str) -> QPushButton:
    """Make a button that says what it does."""
    button = narrow(QPushButton(text))
    button.setToolTip(tooltip)
    return button
