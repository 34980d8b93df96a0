"""``retina prepare``: fill the cache of prepared squares before training or evaluating."""

import argparse
import sys

from retina.cli.exit_status import DONE

HELP = "Prepare the photographs of a data folder, so that training starts at once."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("folders", metavar="DIR", nargs="*", help="folders of photographs and grades")
    add("--data", metavar="DIR", action="append", default=[], help="the same, as train.py takes it")
    add("--image-size", type=int, default=512, help="side of the square in pixels (512)")
    add("--clear", action="store_true", help="first delete all that was prepared before")


def run(options: argparse.Namespace) -> int:
    """Prepare what is not prepared yet and say where it lies."""
    from retina.datasets.cache import PreparedCache
    from retina.datasets.sources import read_sources
    from retina.errors import SettingsError
    from retina.images.prepare import Preprocessing

    data = [*options.folders, *options.data]
    if not data and not options.clear:
        raise SettingsError("there is nothing to do: name a data folder, or give --clear")
    cache = PreparedCache()
    if options.clear:
        print(f"{cache.clear() / 1e6:,.0f} MB of prepared photographs deleted in {cache.folder}")
    if not data:
        return DONE
    settings = Preprocessing(size=options.image_size)
    paths = [path for catalog in read_sources(data) for path in catalog.table["path"]]
    unreadable = cache.fill(paths, settings)
    for picture in unreadable:
        print(f"left out: {picture.reason}", file=sys.stderr)
    print(f"{len(paths) - len(unreadable)} photographs are prepared in {cache.folder}")
    return DONE
