"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import tifffile
from small_runs import still_movie

from napari_cnmf.cli.parser import build_parser
from napari_cnmf.compute import Computing
from napari_cnmf.recipe import Recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line for kind, text in BLOCKS if kind == "bash" for line in text.split("\n")
]


def test_the_quick_start_is_two_commands():
    section = README.split("## Quick start")[1].split("\n## ")[0]
    blocks = re.findall(r"```bash\n(.*?)\n```", section, re.DOTALL)
    assert len(blocks) == 2
    assert all(text.startswith("python3 -m venv ") for text in blocks)
    assert not any("\n" in text for text in blocks)


def test_the_packages_it_asks_for_are_those_of_ci():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (wanted,) = re.findall(r"apt-get install ([^`]*)", README)
    installed = re.findall(r"system_packages=\((.*?)\)", script, re.DOTALL)[0].split()
    assert ["python3-venv", *wanted.split()] == installed


def test_every_file_it_links_to_is_there():
    links = re.findall(r"\]\((?!http)([^)#]+)", README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("napari-cnmf ")])
def test_the_command_line_takes_it(line):
    words = shlex.split(line.split(" > ")[0])[1:]
    options = build_parser().parse_args(words)
    ours, others = Computing.split(getattr(options, "settings", []))
    Computing().with_settings(ours)
    Recipe().with_settings(others)


def test_every_parameter_it_names_exists():
    groups = Recipe().to_dict()
    named = re.findall(rf"`({'|'.join(groups)})\.(?!png)(\w+)`", README)
    assert len(named) > 5
    assert [f"{g}.{n}" for g, n in named if n not in groups[g]] == []


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_python_runs(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("movie.tif", still_movie().movie, photometric="minisblack")
    exec(code, {})
    assert capsys.readouterr().out
