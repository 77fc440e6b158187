"""What many tasks cost: time for each, and the memory of the process that drives them.

`python benchmarks/growth.py` sends 100,000 empty tasks to two workers of a dask cluster
on this machine, whose scheduler is in this process, and prints milliseconds a task and
how much memory this process takes, every tenth of the way. `--seconds 0.1` makes the
tasks take so long, so that none travel together; `--tasks 5000` sends fewer.
"""

from __future__ import annotations

import argparse
import time

import psutil
from distributed import LocalCluster

from napari_cnmf.compute.cluster import DaskBackend


def main() -> None:
    """Send the tasks, and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=0.0)
    options = parser.parse_args()

    def work(task: int) -> int:
        time.sleep(options.seconds)
        return task

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        DaskBackend(cluster.scheduler_address) as backend,
    ):
        backend.run(work, range(10), lambda _: None)
        tell = Teller(options.tasks)
        backend.run(work, range(options.tasks), tell)


class Teller:
    """Collects results, and prints a line every tenth of the way."""

    def __init__(self, n_tasks: int) -> None:
        self.every = max(n_tasks // 10, 1)
        self.n_done = 0
        self.process = psutil.Process()
        self.started = time.perf_counter()
        self.cpu_started = time.process_time()

    def __call__(self, _: int) -> None:
        """Count a result."""
        self.n_done += 1
        if self.n_done % self.every:
            return
        each = 1e3 / self.n_done
        wall = (time.perf_counter() - self.started) * each
        cpu = (time.process_time() - self.cpu_started) * each
        memory = self.process.memory_info().rss / 1e6
        print(
            f"{self.n_done:>9,} tasks  {wall:.3f} ms each, {cpu:.3f} ms of this "
            f"process's processor time; {memory:.0f} MB"
        )


if __name__ == "__main__":
    main()
