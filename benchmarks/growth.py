"""Growth of time and memory with the rows of tables and with the number of photographs.

Each measurement is a process of its own, imports included. The tables name empty files, which are
not opened. The photographs are copies of a few drawn ones with one pixel changed, so that none is
dropped as identical; training is one epoch of ResNet-18 at 64 pixels, from an empty cache to the
metrics on the test split.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]
from PIL import Image

from benchmarks._apart import Cost, apart
from benchmarks.triage import drawn_folder, random_checkpoint, run_retina
from retina.scale import NUM_GRADES

FEW, SIDE = 50, 64
IMAGES_A_FOLDER = 10_000


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks growth")
    parser.add_argument("--rows", nargs="*", type=int, default=[1000, 10_000, 100_000])
    parser.add_argument("--pictures", nargs="*", type=int, default=[250, 1000])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _show("table, identical pictures and split", options.rows, lambda n: _tables(folder, n))
        _show("metrics with intervals", options.rows, lambda n: apart(score, n))
        if options.pictures:
            checkpoint = random_checkpoint(folder, "resnet18", SIDE)
            for count in options.pictures:
                write_pictures(folder / f"pictures-{count}", count)

        def triaged(count: int) -> Cost:
            flags = ("--checkpoints", folder, "--model", checkpoint.name)
            output = folder / f"{count}.csv"
            return apart(
                run_retina, "triage", folder / f"pictures-{count}", *flags, "--output", output
            )

        def trained(count: int) -> Cost:
            return apart(train, folder / f"pictures-{count}", folder / f"run-{count}")

        _show("triage, 64 px", options.pictures, triaged)
        _show("training, an epoch at 64 px", options.pictures, trained)
    return 0


def _show(title: str, counts: Sequence[int], measure: Callable[[int], Cost]) -> None:
    if not counts:
        return
    print(title)
    for count in counts:
        cost = measure(count)
        each = cost.seconds / count * 1e3
        print(f"  {count:>8,}{cost.seconds:>9.1f} s{each:>9.2f} ms each{cost.memory:>8.0f} MiB")


def write_rows(folder: Path, count: int) -> None:
    """A data folder in EyePACS' layout, two empty files a patient, by the thousand in a folder."""
    folder.mkdir()
    grades = np.random.default_rng(0).integers(0, NUM_GRADES, count)
    lines = ["image,level"]
    for number, grade in enumerate(grades):
        name = f"{number // 2}_{'right' if number % 2 else 'left'}"
        place = folder / str(number // IMAGES_A_FOLDER)
        place.mkdir(exist_ok=True)
        (place / f"{name}.jpeg").touch()
        lines.append(f"{name},{grade}")
    (folder / "trainLabels.csv").write_text("\n".join(lines) + "\n")


def write_pictures(folder: Path, count: int) -> None:
    """A data folder of ``count`` photographs that all differ, in APTOS' layout."""
    folder.mkdir()
    drawn = [Image.open(path) for path in sorted(drawn_folder(FEW, SIDE).iterdir())]
    lines = ["id_code,diagnosis"]
    for number in range(count):
        picture = drawn[number % FEW].copy()
        place = number // FEW
        picture.putpixel((place % SIDE, place // SIDE), (255, 255, 255))
        picture.save(folder / f"p{number:06d}.png", compress_level=1)
        lines.append(f"p{number:06d},{number % NUM_GRADES}")
    (folder / "train.csv").write_text("\n".join(lines) + "\n")


def read_and_split(folder: Path) -> None:
    """From a data folder to its split, written and read again; the digests are not computed."""
    from retina.datasets.catalog import read_folder
    from retina.datasets.duplicates import drop_identical
    from retina.datasets.splits import read_split, split, write_split

    table = read_folder(folder).table
    left, _ = drop_identical(table, table["image_id"].tolist())
    write_split(folder / "split.csv", left, split(left))
    read_split(folder / "split.csv")


def score(count: int) -> None:
    """All figures of random answers, with their intervals."""
    from retina.evaluation.intervals import add_intervals
    from retina.evaluation.metrics import compute_metrics

    random = np.random.default_rng(0)
    grades = random.integers(0, NUM_GRADES, count)
    probability = random.dirichlet(np.ones(NUM_GRADES), count)
    metrics = compute_metrics(grades, probability, 0.5)
    add_intervals(metrics, grades, probability, [str(number // 2) for number in range(count)])


def train(data: Path, output: Path) -> None:
    """One epoch, with caches that are empty."""
    os.environ["RETINA_CACHE"] = str(output.with_name(f"{output.name}-cache"))
    flags = ("--model", "resnet18", "--epochs", 1, "--image-size", SIDE, "--scratch")
    run_retina("train", "--data", data, *flags, "--output", output)
    # Idle workers would keep this process from its end for minutes.
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _tables(folder: Path, count: int) -> Cost:
    place = folder / f"rows-{count}"
    write_rows(place, count)
    return apart(read_and_split, place)
