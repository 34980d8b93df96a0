"""Batch normalisation inside the convolutions: the network for use, not for training."""

import copy
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def folded(model: Network) -> Network:
    """A copy of a network in which each convolution does its batch normalisation as well.

    Once trained, batch normalisation is a product and a sum for each channel; both fit into the
    weights and the bias of the convolution in front. The logits are the same up to rounding.

    Args:
        model: Whose modules name each convolution right before its batch normalisation, as all of
            ``retina.models.architectures`` do; left as it is.

    Returns:
        In evaluation mode, where it has to stay; in place of normalisations, identities.
    """
    merged = copy.deepcopy(model).eval()
    for module in list(merged.modules()):
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())
    return merged
