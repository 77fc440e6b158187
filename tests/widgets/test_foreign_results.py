"""Results of CaImAn and suite2p open by drag and drop."""

from __future__ import annotations

import pytest

from napari_cnmf.errors import InputError
from napari_cnmf.formats.exchange.caiman_results import export_caiman
from napari_cnmf.formats.exchange.suite2p import export_suite2p
from napari_cnmf.widgets import hooks
from napari_cnmf.widgets.session import session


@pytest.fixture(params=["plane0", "caiman.hdf5"])
def foreign(request, tmp_path, found):
    """A result as another program would have it."""
    path = tmp_path / request.param
    (export_caiman if path.suffix else export_suite2p)(found, path)
    return path


def test_only_the_reader_of_results_takes_it(foreign):
    assert hooks.movie_reader(str(foreign)) is None
    assert hooks.result_reader(str(foreign)) is hooks.read_result


def test_without_a_viewer_it_is_layers(foreign, found):
    layers = {about["name"]: data for data, about, _ in hooks.read_result(str(foreign))}
    assert layers["footprints"].shape == found.movie.shape[1:]


def test_in_a_viewer_it_is_opened_for_all_docks(viewer, foreign, found):
    assert hooks.read_result(str(foreign)) is hooks.NO_LAYERS
    workspace = session(viewer).workspace
    assert len(workspace.result.components) == len(found.components)
    assert workspace.folder is None


def test_several_planes_are_asked_about(tmp_path, found):
    for name in ("plane0", "plane1"):
        export_suite2p(found, tmp_path / name)
    assert hooks.movie_reader(str(tmp_path)) is None
    with pytest.raises(InputError, match="2 planes"):
        hooks.result_reader(str(tmp_path))(str(tmp_path))
