"""``retina prepare``: fill the cache of preprocessed photographs before training."""

import argparse
import sys

from retina.cli.exit_status import DONE
from retina.cli.flags import add_folders
from retina.reporting.formatting import counted

HELP = "Preprocess the photographs of data folders, so that training starts at once."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add_folders(parser, str)
    add(
        "--image-size",
        type=int,
        default=512,
        metavar="PIXELS",
        help="side of the square (default: 512)",
    )
    add("--clear", action="store_true", help="first delete everything preprocessed before")


def run(options: argparse.Namespace) -> int:
    """Preprocess what is not in the cache yet, and print where the cache is."""
    from retina.datasets.cache import PreparedCache
    from retina.datasets.sources import read_sources
    from retina.errors import SettingsError
    from retina.images.prepare import Preprocessing

    data = [*options.folders, *options.data]
    if not data and not options.clear:
        raise SettingsError("there is nothing to prepare: name a data folder, or give --clear")
    cache = PreparedCache()
    if options.clear:
        print(f"{cache.clear() / 1e6:,.0f} MB deleted from {cache.folder}")
    if not data:
        return DONE
    settings = Preprocessing(size=options.image_size)
    paths = [path for catalog in read_sources(data) for path in catalog.table["path"]]
    unreadable = cache.fill(paths, settings)
    for picture in unreadable:
        print(f"left out: {picture.reason}", file=sys.stderr)
    print(f"{counted(len(paths) - len(unreadable), 'photograph')} preprocessed in {cache.folder}")
    return DONE
