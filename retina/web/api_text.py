"""What the page's own description of its API says; ``docs/api.md`` says it at length."""

ENDPOINTS = {
    "grade": (
        "Grade one photograph with one model: the assessment, where the model looked, and how "
        "often it is right."
    ),
    "compare": "Grade one photograph with every model, in the order of /models.",
    "triage": "Grade many photographs with one model: a worklist, the most urgent first.",
    "models": "What the models are: names, weights, origin, image size and test figures.",
}

TAKES = {
    "image": (
        "A photograph of one eye: JPEG, PNG, TIFF, WebP, BMP or DICOM. Send the file itself; an "
        "address is not fetched."
    ),
    "images": "Photographs, or ZIP archives of them. One that cannot be read stops no other.",
    "model": "The name of a model, as /models gives it. Left out: the first of them.",
    "anyway": "Grade also where the quality gate refuses the photograph.",
}

EXAMPLE_FILE = "eye.jpg"

GIVES = {
    "assessment": (
        "An object with grade, label, probabilities, referral, quality, warnings and the file's "
        "facts. All between grade and sight_threatening_probability is null where the quality "
        "gate refused the photograph."
    ),
    "heatmap": (
        "A PNG of the retina under the heatmap of where the model looked for its grade; null "
        "where it gave none."
    ),
    "confusion matrix": (
        "A PNG of the model's answers on its test photographs; null where it was not tested."
    ),
    "assessments": "A list of assessments, one of each model.",
    "worklist": (
        "A list of rows, one of each photograph, with urgency, image, patient, eye, grade, label, "
        "the probabilities p0 to p4, quality, warnings and error; the eyes of one patient together."
    ),
    "models": (
        "A list of objects with name, sha256, architecture, initial_weights, image_size and "
        "metrics, which is null where the model was not tested."
    ),
}
