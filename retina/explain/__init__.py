"""Where the model looked."""

from retina.explain.cam import forward_with_cam

__all__ = ["forward_with_cam"]
