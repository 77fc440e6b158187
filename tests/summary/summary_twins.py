"""The summary images by their definitions, in float64 and in plain numpy."""

import numpy as np

OFFSETS = {
    4: ((0, 1), (1, 0), (0, -1), (-1, 0)),
    8: tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)),
}


def correlation(frames, neighbours=8, valid=None):
    """Mean Pearson correlation of a pixel with the neighbours that exist."""
    frames = frames.astype(np.float64)
    _, height, width = frames.shape
    valid = np.ones((height, width), bool) if valid is None else valid
    deviation = frames.std(axis=0)
    z = (frames - frames.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    image = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            around = [(y + i, x + j) for i, j in OFFSETS[neighbours]]
            exist = [
                (i, j)
                for i, j in around
                if 0 <= i < height and 0 <= j < width and valid[i, j]
            ]
            if exist and valid[y, x]:
                image[y, x] = np.mean(
                    [(z[:, y, x] * z[:, i, j]).mean() for i, j in exist]
                )
    return image


def noise(frames, group):
    """Noise from the second differences inside groups, of an even number of frames."""
    frames = frames.astype(np.float64)
    frames = frames[: len(frames) // 2 * 2]
    groups = [frames[i : i + group] for i in range(0, len(frames), group)]
    bends = np.concatenate([np.diff(part, n=2, axis=0) for part in groups])
    return np.sqrt((bends**2).mean(axis=0) / 6)


def sums(codes, group):
    """The seven sums of `add_block`, as Python-size integers."""
    codes = codes.astype(np.int64)
    total = np.zeros((7, *codes.shape[1:]), np.int64)
    total[0] = codes.sum(axis=0)
    total[1] = (codes**2).sum(axis=0)
    total[2, :, :-1] = (codes[:, :, :-1] * codes[:, :, 1:]).sum(axis=0)
    total[3, :-1] = (codes[:, :-1] * codes[:, 1:]).sum(axis=0)
    total[4, :-1, :-1] = (codes[:, :-1, :-1] * codes[:, 1:, 1:]).sum(axis=0)
    total[5, :-1, 1:] = (codes[:, :-1, 1:] * codes[:, 1:, :-1]).sum(axis=0)
    even = codes[: len(codes) // 2 * 2]
    for i in range(0, len(even), group):
        total[6] += (np.diff(even[i : i + group], n=2, axis=0) ** 2).sum(axis=0)
    return total
