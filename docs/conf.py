"""How Sphinx builds these pages: without network, and a warning is an error."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
import generate

project = "napari-cnmf"
author = "The napari-cnmf developers"
project_copyright = author
version = release = installed_version("napari-cnmf")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["images"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the docstrings tell types, with shapes and units
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "pydata_sphinx_theme"
html_title = "napari-cnmf"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def fill_in(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Put what is made from the code in place of the marks that stand for it."""
    for mark, text in generate.TEXTS.items():
        if mark in source[0]:
            source[0] = source[0].replace(mark, text())


def setup(app: Sphinx) -> None:
    """Register the above."""
    app.connect("source-read", fill_in)
