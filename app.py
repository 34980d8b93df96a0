"""Open the page in the browser; ``python app.py --help`` lists the flags."""

import sys

from retina.cli import script

if __name__ == "__main__":
    sys.exit(script("demo"))
