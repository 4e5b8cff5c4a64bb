"""Put what is known into a text: `{{name}}` becomes its value."""

import re
from collections.abc import Mapping

NAME = re.compile(r"\{\{(\w+)\}\}", re.ASCII)
"""Word characters only, no blanks inside the braces: as JavaScript's `\\w` reads them."""


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with values for names, in one pass: a value that holds `{{…}}` stays as it is.

    A name that is not known stays as it is written; an empty value gives empty text.
    """
    return NAME.sub(lambda found: variables.get(found[1], found[0]), text)
