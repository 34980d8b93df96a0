from retina.scale import GRADES, LABELS, NUM_GRADES, REFERABLE_FROM, SIGHT_THREATENING_FROM


def test_the_labels_are_the_promised_ones_in_order() -> None:
    assert LABELS == ("No DR", "Mild", "Moderate", "Severe", "Proliferative DR")
    assert [grade.number for grade in GRADES] == list(range(NUM_GRADES)) == [0, 1, 2, 3, 4]


def test_who_is_referred_and_whose_sight_is_threatened() -> None:
    assert LABELS[REFERABLE_FROM] == "Moderate"
    assert LABELS[SIGHT_THREATENING_FROM] == "Severe"
