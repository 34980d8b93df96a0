"""Heatmaps of where a model looked.

``forward_with_cam`` is imported when it is first used: PyTorch takes seconds to import, and the
colours and names of heatmaps do without.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retina.explain.cam import forward_with_cam

__all__ = ["forward_with_cam"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from retina.explain.cam import forward_with_cam

    return forward_with_cam
