"""Open the page in the browser: ``python app.py``."""

import argparse
import sys
from pathlib import Path

from retina.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Read the flags and serve the page; returns the exit status."""
    parser = argparse.ArgumentParser(
        description="Open the page that grades fundus photographs in the browser."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="port (%(default)s)")
    parser.add_argument("--checkpoints", type=Path, help="folder of the trained models")
    parser.add_argument(
        "--auth-file", type=Path, help="who may enter: a text file with lines user:password"
    )
    parser.add_argument(
        "--examples", type=Path, help="folder of photographs to offer instead of the drawn ones"
    )
    settings = vars(parser.parse_args(arguments))

    from retina.web.server import launch

    try:
        launch(**settings)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
