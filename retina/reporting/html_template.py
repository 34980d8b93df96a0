"""Templates of pages and reports, in which everything from outside is escaped."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def html_template(package: str, name: str, **names: Any) -> Template:
    """A template, and what it and those that it imports may name.

    Args:
        package: Whose ``templates`` folder holds it.
        name: Of the file.
        names: Values and functions by name; a name that nothing stands for is an error.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(names)
    return environment.get_template(name)
