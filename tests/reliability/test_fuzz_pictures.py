"""Whatever bytes the decoder meets, it gives a picture or one sentence."""

import io
from collections.abc import Callable

import pytest

from retina.errors import ImageError
from retina.images.decode import read_photograph
from tests.reliability.fuzzing import FEW_AND_MANY, fuzz, spoilt_bytes
from tests.reliability.pictures import whole_files
from tests.reliability.test_pictures import is_sentence


@FEW_AND_MANY
@pytest.mark.parametrize("ending", whole_files())
@pytest.mark.filterwarnings("ignore")
def test_the_decoder_gives_a_picture_or_a_sentence(
    ending: str, examples: int, record_property: Callable[[str, str], None]
) -> None:
    refused = 0

    def check(data: bytes) -> None:
        nonlocal refused
        try:
            picture = read_photograph(io.BytesIO(data), name="eye", at_least=16)
        except ImageError as error:
            refused += 1
            sentence = str(error)
        else:
            assert picture.image.mode == "RGB"
            return
        assert is_sentence(sentence)

    fuzz(spoilt_bytes([whole_files()[ending]]), check, examples)
    assert refused
    record_property("figures", f"{examples} spoilt files, {refused} refused, the others read")
