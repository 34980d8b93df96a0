"""The strings of the Models tab."""

from retina.models.config import CheckpointConfig

TABLE_BOX = "All models, a table that scrolls sideways"
TABLE_CAPTION = "All models, each on the test split of its own data, which it never saw in training"
TABLE_NAME = "Model"
TABLE_NOTE = (
    "Small figures: 95% intervals, from a bootstrap over patients. Majority baseline: what always "
    "answering the most frequent grade scores, without looking; accuracy says little beside it. "
    "Kappa counts an answer two grades off four times as much as one that is one off. AUROC, "
    "sensitivity and specificity are of referable disease. A dash: not known, or not defined."
)
MODELS_LEFT_OUT = "Left out"
LAB_CAPTION = "The lab that this reproduces: accuracy on its test photographs"
LAB_START = "Start"
LAB_STARTS = {"scratch": "from scratch", "pretrained": "from ImageNet"}
LAB_WHY = "Why these differ from ours."
DETAILS = "Details"
GAPS = "Not shown"
DRAWING = "Drawing its figures …"
CARD = "Model card"
NO_CARD = "This checkpoint has no model card."
CARD_TABLE = "A table of the card, which scrolls sideways"
HOW_TO_READ = {
    "trend": (
        "Training dashed, validation solid, the chosen epoch ringed; dotted, what always answering "
        "the most frequent grade scores on the test split."
    ),
    "matrix": (
        "Rows are the true grades, columns what the model answered: the darker, the larger the "
        "share of its row. Below each share, the count."
    ),
    "reliability": (
        "On the dashed line the model would be right as often as it is sure. Bars are 95% "
        "intervals; the lower panel shows how many answers stand behind each dot."
    ),
    "roc": (
        "How many referable photographs are found, against how many others are referred with them. "
        "The diamond is the operating point, with 95% intervals."
    ),
}


def origin(config: CheckpointConfig, started: str) -> list[tuple[str, str]]:
    """Where a model comes from, as terms and what stands for them.

    Args:
        config: The model's.
        started: What it started from, in words.
    """
    training, data = dict(config.training or {}), config.data
    sha256 = config.initial_weights.sha256
    known: list[tuple[str, object]] = [
        (
            "Network",
            f"{config.architecture}, {config.preprocessing.size} × "
            f"{config.preprocessing.size} pixels",
        ),
        ("Started from", f"{started} (SHA-256 {sha256[:12]}…)" if sha256 else started),
        ("Photographs", f"{data.rows:,} of {data.name}, in all three parts"),
        ("Their terms", data.terms),
        ("Recipe", training.get("recipe")),
        ("Epochs", training.get("epochs")),
        (
            "Refers from",
            f"a probability of {config.referable.threshold:.3f}: "
            f"{config.referable.rule}, on {config.referable.chosen_on}",
        ),
        (
            "Weights",
            f"SHA-256 {config.weights_sha256[:12]}…, made by retina {config.code_version}",
        ),
    ]
    return [(term, str(value)) for term, value in known if value]
