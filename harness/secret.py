"""Secrets: values of environment variables that an error's text may repeat, and that no record may carry on."""

from __future__ import annotations

import functools
import os
import re
from typing import Any, Final

NAMES: Final = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|(^|_)KEY($|_)", re.IGNORECASE)
"""Names of variables whose values are secret. KEY is a word of its own there: KEYBOARD and MONKEY are none."""
LEAST: Final = 8
"""Characters of what is taken for a secret: a shorter value ("false", "1") would be cut out of ordinary words."""
MASK: Final = "***"


def masked(text: Any) -> Any:
    """The text, or the bytes of one, without the values of secret variables; what is neither as it is."""
    secrets = {value for name, value in os.environ.items() if len(value) >= LEAST and _is_secret(name)}
    for secret in sorted(secrets, key=len, reverse=True):
        if isinstance(text, str):
            text = text.replace(secret, MASK)
        elif isinstance(text, bytes):
            text = text.replace(os.fsencode(secret), MASK.encode())
    return text


@functools.lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    """Whether a variable is one by its name; asked of each for every cell."""
    return NAMES.search(name) is not None
