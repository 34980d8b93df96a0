"""A small drawn set where ``--data synthetic`` looks for its own, which takes minutes to draw."""

from pathlib import Path

from retina.datasets import synthetic


def put_small_set(cache: Path, count: int = 20) -> None:
    """Draw ``count`` photographs, 96 pixels high, as the set that a cache folder keeps."""
    size = f"count{synthetic.DEFAULT_COUNT}-size{synthetic.DEFAULT_SIZE}"
    drawn = cache / "synthetic" / f"drawing{synthetic._DRAWING}-{size}-seed0"
    synthetic.write_synthetic(drawn, count=count, size=96)
