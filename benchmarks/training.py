"""Training speed: this loop against single precision as most published code trains, and memory.

Run: python benchmarks/training.py [--write]

Steps of both, and the matrix products that set the peaks, take turns in one run; medians are shown.
Both read, change and normalise the same images, so that they differ in precision, memory layout and
the moving average (which only this loop keeps). The ratio of the two peaks is what bf16 can gain on
arithmetic alone. One more row tells how fast the images come without a network, and the last ones
how much memory full-field images take.
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from mammolab.model.augment import Augmentation, augment, load_images, normalise
from mammolab.model.config import TrainingConfig
from mammolab.model.network import NetworkConfig, ResNet18, compute_device
from mammolab.model.train import train

SIZE, FULL_FIELD = (256, 208), (2048, 1664)
WIDTHS = (16, 64)
BATCH, MICRO_FULL_FIELD = 24, 2
# width, batch, recompute: memory may grow with the first, must not with the second
FULL_FIELD_CASES = ((16, 4, False), (16, 4, True), (16, 8, False), (64, 4, False), (64, 4, True))
N_IMAGES = 512  # in the store on disk
STEPS, WARM_UP = 9, 2
MATRIX = 2048  # side of the product that measures the peak
THREADS = 2
COLUMNS = (
    "task", "width", "rows", "columns", "batch", "micro_batch", "recompute", "fp32_nchw_images_per_s",
    "images_per_s", "speedup", "gflop_per_image", "fp32_peak_tflop_per_s", "bf16_peak_tflop_per_s", "share_of_peak",
    "peak_rss_gb", "device", "cpu_bf16", "threads",
)  # fmt: skip


def bf16_flags() -> str:
    """Name the processor's bf16 units, as Linux lists them."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return " ".join(f for f in ("amx_bf16", "avx512_bf16") if f in flags) or "none"


def device_name() -> str:
    """Name the accelerator, or the processor."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


def image_store(folder: Path, n: int, size: tuple[int, int]) -> np.ndarray:
    """Write noise as an image store and open it as chapters do."""
    path = folder / f"{size[0]}.npy"
    np.save(path, np.random.default_rng(0).integers(0, 255, (n, *size), dtype=np.uint8))
    return np.load(path, mmap_mode="r")


def training_table(n: int) -> pd.DataFrame:
    """Every fourth image has a cancer."""
    return pd.DataFrame(
        {"row": np.arange(n), "label": np.arange(n) % 4 == 0, "sampling_weight": 1.0}
    )


class PlainTraining:
    """The same network in single precision and NCHW order, one step at a time."""

    def __init__(self, store: np.ndarray, width: int):
        self.store, self.rng = store, np.random.default_rng(0)
        self.generator = torch.Generator().manual_seed(0)
        self.device = compute_device()
        self.network = ResNet18(NetworkConfig(width)).to(self.device).train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3)
        self.target = (torch.arange(BATCH) % 2 == 0).float().to(self.device)

    def step(self) -> None:
        """Train on one batch."""
        rows = self.rng.integers(0, len(self.store), BATCH)
        images = load_images(self.store, rows).to(self.device)
        images = normalise(augment(images, Augmentation(), self.generator))
        logit = self.network(images)
        loss = functional.binary_cross_entropy_with_logits(logit, self.target)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        loss.item()  # waits for an accelerator, as printing a loss would


def seconds(work) -> float:
    """Return the wall time of a call, the accelerator's part included."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def gflop_per_image(width: int, size: tuple[int, int]) -> float:
    """Count the operations of the forward and backward pass of one image."""
    counter = FlopCounterMode(display=False)
    with counter:
        ResNet18(NetworkConfig(width))(torch.rand(1, 1, *size)).sum().backward()
    return counter.get_total_flops() / 1e9


def measure_training(store: np.ndarray, width: int) -> dict[str, float]:
    """Time steps of this loop, of plain training and of two matrix products, in turn."""
    plain = PlainTraining(store, width)
    single = torch.rand(MATRIX, MATRIX, device=compute_device())
    half = single.bfloat16()
    spent: dict[str, list[float]] = {"loop": [], "plain": [], "single": [], "half": []}
    began = time.perf_counter()

    def between_steps(network: ResNet18) -> dict[str, float]:
        nonlocal began
        spent["loop"].append(time.perf_counter() - began)
        spent["plain"].append(seconds(plain.step))
        spent["single"].append(seconds(lambda: single @ single))
        spent["half"].append(seconds(lambda: half @ half))
        began = time.perf_counter()
        return {"steps_left": -float(len(spent["loop"]))}  # the first epoch stays the best

    train(
        store,
        training_table(len(store)),
        NetworkConfig(width),
        TrainingConfig(BATCH, BATCH, STEPS + WARM_UP, 1, 1e-3, threads=THREADS),
        Augmentation(),
        between_steps,
        "steps_left",
        np.random.default_rng(0),
    )
    median = {name: float(np.median(times[WARM_UP:])) for name, times in spent.items()}
    gflop = gflop_per_image(width, SIZE)
    single_peak, peak = (2 * MATRIX**3 / median[name] / 1e12 for name in ("single", "half"))
    return {
        "task": "train",
        "width": width,
        "batch": BATCH,
        "micro_batch": BATCH,
        "fp32_nchw_images_per_s": round(BATCH / median["plain"], 1),
        "images_per_s": round(BATCH / median["loop"], 1),
        "speedup": round(median["plain"] / median["loop"], 2),
        "gflop_per_image": round(gflop, 2),
        "fp32_peak_tflop_per_s": round(single_peak, 3),
        "bf16_peak_tflop_per_s": round(peak, 3),
        "share_of_peak": round(BATCH * gflop / 1e3 / median["loop"] / peak, 3),
    }


def measure_loading(store: np.ndarray) -> dict[str, float]:
    """Time reading, changing and normalising batches without a network."""
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)

    def one_batch() -> None:
        images = load_images(store, rng.integers(0, len(store), BATCH)).to(compute_device())
        normalise(augment(images, Augmentation(), generator))

    times = [seconds(one_batch) for _ in range(STEPS + WARM_UP)][WARM_UP:]
    return {"task": "load", "batch": BATCH, "images_per_s": round(BATCH / np.median(times), 1)}


def measure_full_field(width: int, batch: int, recompute: bool) -> dict[str, float]:
    """Take one step on full-field images in a process of its own and read its peak memory."""
    case = map(str, (width, batch, int(recompute)))
    command = [sys.executable, __file__, "--full-field", *case]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    peak_gb, wall = map(float, output.split()[-2:])
    return {
        "task": "full_field",
        "width": width,
        "batch": batch,
        "micro_batch": MICRO_FULL_FIELD,
        "recompute": recompute,
        "images_per_s": round(batch / wall, 3),
        "peak_rss_gb": round(peak_gb, 2),
    }


def full_field_step(width: int, batch: int, recompute: bool) -> None:
    """Train one step of accumulated pieces; print the peak memory in GB and the seconds."""
    store = np.random.default_rng(0).integers(0, 255, (8, *FULL_FIELD), dtype=np.uint8)
    config = TrainingConfig(
        batch, MICRO_FULL_FIELD, 1, 1, 1e-3, threads=THREADS, recompute=recompute
    )
    start = time.perf_counter()
    train(
        store,
        training_table(len(store)),
        NetworkConfig(width),
        config,
        Augmentation(),
        lambda network: {"nothing": 0.0},
        "nothing",
        np.random.default_rng(0),
    )
    wall = time.perf_counter() - start
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, wall)


def measurements() -> Iterator[dict[str, object]]:
    """Measure everything, one line of the table after the other."""
    with tempfile.TemporaryDirectory() as folder:
        store = image_store(Path(folder), N_IMAGES, SIZE)
        size = {"rows": SIZE[0], "columns": SIZE[1]}
        for width in WIDTHS:
            yield size | measure_training(store, width)
        yield size | measure_loading(store)
    size = {"rows": FULL_FIELD[0], "columns": FULL_FIELD[1]}
    for case in FULL_FIELD_CASES:
        yield size | measure_full_field(*case)


def main() -> None:
    """Print one line a measurement and, if asked, write training.csv beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace benchmarks/training.csv")
    parser.add_argument("--full-field", nargs=3, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    if arguments.full_field:
        width, batch, recompute = arguments.full_field
        full_field_step(width, batch, bool(recompute))
        return
    where = {"device": device_name(), "cpu_bf16": bf16_flags(), "threads": THREADS}
    lines = []
    for line in measurements():
        lines.append({**line, **where})
        print(", ".join(f"{name} {lines[-1][name]}" for name in COLUMNS if name in lines[-1]))
    if where["cpu_bf16"] == "none" and not torch.cuda.is_available():
        print("This processor has no bf16 units: bf16 is emulated, and no gain is to be expected.")
    if arguments.write:
        with Path(__file__).with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)


if __name__ == "__main__":
    main()
