import io

from retina.assessment import Quality
from retina.images.decode import read_photograph
from retina.images.quality import assess_quality
from tests.images.drawing import encoded, gradient


def test_whatever_was_decoded_is_good_for_now() -> None:
    photograph = read_photograph(io.BytesIO(encoded(gradient())))
    assert assess_quality(photograph) == Quality("good", 1.0)
