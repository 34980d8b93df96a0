"""Train and compare ResNets on fundus photographs; ``python train.py --help`` lists the flags."""

import sys

from retina.cli import script

if __name__ == "__main__":
    sys.exit(script("train"))
