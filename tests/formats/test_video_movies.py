"""Videos: frames by number, grey values, and bad files."""

from __future__ import annotations

import os
import sys

import av
import numpy as np
import pytest
from formats.recordings import video_of

from napari_cnmf.errors import InputError
from napari_cnmf.formats import open_movie


@pytest.fixture
def array() -> np.ndarray:
    noise = np.random.default_rng(3).integers(0, 200, (40, 34, 46), dtype=np.uint8)
    noise[:, :16, :16] = 6 * np.arange(40, dtype=np.uint8)[:, None, None]
    return noise


def decoded_in_order(path):
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="gray") for f in container.decode(video=0)]


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("libx264", ".mp4"),
        ("libx264", ".mkv"),
        ("libx264", ".avi"),
        ("mpeg4", ".avi"),
        ("mpeg4", ".mp4"),
        ("mjpeg", ".avi"),
    ],
)
def test_a_frame_by_its_number_is_that_of_decoding_in_order(
    tmp_path, array, codec, suffix
):
    """Also with frames that need later ones, which libx264 and gop_size make."""
    path = tmp_path / f"a{suffix}"
    video_of(codec, "yuvj420p" if codec == "mjpeg" else "yuv420p")(path, array)
    expected = decoded_in_order(path)
    movie = open_movie(path)
    assert movie.n_frames == len(expected) == 40
    for t in (39, 0, 17, 18, 4, 5, 6, 33):
        np.testing.assert_array_equal(movie.read(slice(t, t + 1))[0], expected[t])
    np.testing.assert_array_equal(movie.read(slice(3, 38, 7)), expected[3:38:7])
    means = movie.read()[:, 2:14, 2:14].mean(axis=(1, 2))
    np.testing.assert_allclose(means, 6 * np.arange(40), atol=6)


def test_of_a_coloured_video_the_first_channel_is_taken(tmp_path, array):
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=20)
        stream.height, stream.width, stream.pix_fmt = 34, 46, "bgr24"
        for frame in array:
            colours = np.stack([frame, frame // 2, frame // 3], axis=-1)
            made = av.VideoFrame.from_ndarray(colours, format="rgb24")
            container.mux(stream.encode(made))
        container.mux(stream.encode())
    np.testing.assert_array_equal(open_movie(path).read(), array)


def test_a_truncated_video_is_read_as_far_as_it_goes_or_refused(tmp_path, array):
    path = tmp_path / "a.mkv"
    video_of("ffv1", "gray")(path, array)
    os.truncate(path, path.stat().st_size // 2)
    movie = open_movie(path)
    n_whole = movie.n_frames - 1
    assert 5 < n_whole < 40
    np.testing.assert_array_equal(movie.read(slice(0, n_whole)), array[:n_whole])


@pytest.mark.parametrize("content", [b"", b"no video at all" * 99])
def test_other_content_is_refused(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4"):
        open_movie(path)


def test_sound_alone_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        samples = np.zeros((1, 44100), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match=r"a\.mp4 holds no video"):
        open_movie(path)


def test_without_pyav_the_extra_is_named(tmp_path, array, monkeypatch):
    path = tmp_path / "a.avi"
    video_of("rawvideo", "gray")(path, array)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'pip install "napari-cnmf\[video\]"'):
        open_movie(path)
