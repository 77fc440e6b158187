"""Check the key parameters over the data before anything is computed.

The quilt shows the patches that CNMF will work on and a disc of a neuron's size; both
belong onto an image in which cells can be seen.
"""

from __future__ import annotations

import napari

import napari_cnmf as cnmf


def main(viewer: napari.Viewer) -> cnmf.Recipe:
    """Show the patches of two recipes, one after the other."""
    scene = cnmf.SimulationParameters(n_frames=600, motion_sd_px=0)
    truth = cnmf.simulate(scene)
    movie = cnmf.Movie.from_array(truth.movie, frame_rate_hz=truth.frame_rate_hz)
    before = cnmf.Recipe().with_settings({"patches.patch_size_px": 48})
    with cnmf.local_backend() as backend:
        images = cnmf.summarise(movie, before.summary, backend=backend)

    cnmf.show_quilt(images, viewer, before)
    after = before.with_settings(
        {"patches.patch_size_px": 64, "init.neuron_half_size_px": 4.5}
    )
    cnmf.show_quilt(images, viewer, after)
    print("\n".join(after.diff(before)))
    return after


if __name__ == "__main__":
    main(napari.Viewer())
    napari.run()
