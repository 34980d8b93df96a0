"""Write the model cards of checkpoints anew, from what their folders hold.

python scripts/renew_card.py checkpoints/*/
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from retina.reporting.model_card import write_model_card

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", metavar="FOLDER", type=Path, nargs="+")
    for folder in parser.parse_args().folders:
        write_model_card(folder)
