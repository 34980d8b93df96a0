import pytest
from PIL import Image

from retina.images import limits as bands
from retina.images.limits import in_bands, reduction
from tests.images.drawing import gradient


@pytest.mark.parametrize("factor", [1, 2, 8])
@pytest.mark.parametrize("size", [(64, 48), (61, 47), (8, 100)])
def test_bands_give_what_the_whole_gives(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], factor: int
) -> None:
    monkeypatch.setattr(bands, "_BAND", 600)
    image = gradient(*size)
    heights = []

    def band(top: int, end: int) -> Image.Image:
        heights.append(end - top)
        return image.crop((0, top, size[0], end))

    whole = image if factor == 1 else image.reduce(factor)
    assert in_bands(size, band, factor).tobytes() == whole.tobytes()
    assert sum(heights) == size[1]
    assert len(heights) > 1


def test_only_large_pictures_are_made_smaller_and_keep_enough() -> None:
    assert reduction((5_000, 5_000), 100) == 1
    assert reduction((5_001, 5_000), None) == 1
    assert [reduction((10_000, 8_000), at_least) for at_least in (1000, 1001, 2001, 4001)] == [
        *(8, 4, 2, 1)
    ]
