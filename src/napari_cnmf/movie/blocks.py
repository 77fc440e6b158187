"""How time is divided: frames into bins, bins into groups, groups into blocks."""

from __future__ import annotations

from math import ceil

MIN_GROUP = 16
MAX_BINS = 3000
FEWEST_BINS = 32
MAX_BIN_S = 1.0
MAX_BLOCK = 512
BLOCK_BYTES = 65 * 10**6
BATCH_BYTES = 20 * 10**6


def choose_bin(n_frames: int, frame_rate_hz: float | None, bin_s: float) -> int:
    """Return how many frames make a time bin.

    As long as `bin_s`; longer for recordings of more than 3000 such bins, so that
    what is done on bins needs no more memory, but never above 1 s on that account:
    beyond 3000 s the number of bins grows. Shorter in a recording of less than 32 of
    them. Single frames if the rate is unknown.
    """
    if frame_rate_hz is None:
        return 1
    wanted = max(1, min(round(bin_s * frame_rate_hz), n_frames // FEWEST_BINS))
    longest = max(1, round(MAX_BIN_S * frame_rate_hz))
    return max(wanted, min(ceil(n_frames / MAX_BINS), longest))


def group_frames(bin_frames: int) -> int:
    """Return the frames of a group: whole bins, an even number, at least 16 frames.

    Second differences in time are taken inside groups and blocks are whole groups,
    so that no result depends on the length of the blocks.
    """
    group = bin_frames * ceil(MIN_GROUP / bin_frames)
    return group * (1 + group % 2)


def block_frames(field_shape: tuple[int, int], bin_frames: int) -> int:
    """Return the frames of a block, the unit of work and the chunk length in time.

    Whole groups, at most 512 frames and 135 MB in float32 (128 frames of 512 x 512),
    but at least one group.
    """
    group = group_frames(bin_frames)
    fitting = min(MAX_BLOCK, BLOCK_BYTES // (4 * field_shape[0] * field_shape[1]))
    return max(group, fitting // group * group)


def run_frames(field_shape: tuple[int, int], group: int) -> int:
    """Return the frames of a run, a group or an even part of it.

    What is worked on at once in float32, at most 20 MB, is whole runs.
    """
    fitting = max(1, BATCH_BYTES // (4 * field_shape[0] * field_shape[1]))
    return max(n for n in range(1, group + 1) if group % n == 0 and n <= fitting)
