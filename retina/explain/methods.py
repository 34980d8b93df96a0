"""Other heatmaps of a prediction, by the grad-cam library.

They cost a forward and, but for Eigen-CAM, a backward pass of their own, so they are made on
demand; ``forward_with_cam`` gives Grad-CAM with the grade, at no cost. PyTorch is imported then
too: the page opens without, and needs the names.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retina.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor, nn

GRAD_CAM = "Grad-CAM"
# The method's class in the library.
_LIBRARY = {"Grad-CAM++": "GradCAMPlusPlus", "LayerCAM": "LayerCAM", "Eigen-CAM": "EigenCAM"}
LIBRARY_METHODS = tuple(_LIBRARY)
METHODS = (GRAD_CAM, *LIBRARY_METHODS)


def relative_heatmap(
    model: "nn.Module", x: "Tensor", grade: int, method: str
) -> npt.NDArray[np.float32]:
    """Compute another method's heatmap of a grade, scaled to its own maximum.

    Sources: Chattopadhay et al., "Grad-CAM++", WACV 2018, arXiv:1710.11063; Jiang et al.,
    "LayerCAM", IEEE TIP 2021; Muhammad and Yeasin, "Eigen-CAM", IJCNN 2020, arXiv:2008.00299.

    Args:
        model: A ``PooledClassifier`` in evaluation mode.
        x: (1, 3, H, W), a normalised photograph.
        grade: To be explained. Eigen-CAM shows what the features have in common, whatever it is.
        method: One of ``LIBRARY_METHODS``.

    Returns:
        (H, W), 0 to 1: 1 is the strongest place of this very map, so that, unlike Grad-CAM's as
        this project shows it, a map without evidence cannot look empty.

    Raises:
        SettingsError: There is no such method.
    """
    if method not in LIBRARY_METHODS:
        raise SettingsError(f"there is no method {method!r}: choose one of {', '.join(METHODS)}")
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from retina.explain.cam import FeaturesApart

    kind = getattr(pytorch_grad_cam, _LIBRARY[method])
    apart = FeaturesApart(model).eval()
    with kind(model=apart, target_layers=[apart.last]) as explain:
        # A network that is only used has no gradients of its own: they start at the photograph.
        photograph = x.clone().requires_grad_(True)
        maps = explain(input_tensor=photograph, targets=[ClassifierOutputTarget(grade)])
    return np.asarray(maps[0], dtype=np.float32)
