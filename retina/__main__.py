"""``python -m retina``."""

import sys

from retina.cli import main

if __name__ == "__main__":
    sys.exit(main(program="python -m retina"))
