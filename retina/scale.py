"""The International Clinical Diabetic Retinopathy severity scale (ICDR), 0 to 4.

Source: Wilkinson et al., "Proposed international clinical diabetic retinopathy and diabetic
macular edema disease severity scales", Ophthalmology 2003;110:1677-1682.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Grade:
    """One step of the scale.

    Attributes:
        number: 0 to 4.
        label: The name that every table, page and JSON shows.
        colour: ``#rrggbb``; told apart by the colour-blind too (after Okabe and Ito, 2008), and
            never shown without the number or the label.
        meaning: The findings that define the grade, in one sentence.
    """

    number: int
    label: str
    colour: str
    meaning: str


GRADES: tuple[Grade, ...] = (
    Grade(0, "No DR", "#009e73", "No abnormalities of diabetic retinopathy."),
    Grade(1, "Mild", "#56b4e9", "Microaneurysms only."),
    Grade(2, "Moderate", "#e69f00", "More than microaneurysms, less than severe retinopathy."),
    Grade(
        3,
        "Severe",
        "#d55e00",
        "More than 20 haemorrhages in each quadrant, venous beading in two, or intraretinal "
        "microvascular abnormalities in one; no new vessels.",
    ),
    Grade(4, "Proliferative DR", "#8b1a4a", "New vessels, or vitreous or preretinal haemorrhage."),
)

LABELS: tuple[str, ...] = tuple(grade.label for grade in GRADES)
NUM_GRADES = len(GRADES)

REFERABLE_FROM = 2
SIGHT_THREATENING_FROM = 3

NOT_ASSESSED = (
    "Macular oedema, glaucoma, macular degeneration and every other disease of the eye "
    "are not assessed."
)
RESEARCH_ONLY = "For research and teaching only, not for diagnosis or any clinical decision."
