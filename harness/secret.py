"""Secrets: values of environment variables that an error's text may repeat, and that no record may carry on."""

from __future__ import annotations

import os
import re
from typing import Any, Final

NAMES: Final = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|(^|_)KEY($|_)", re.IGNORECASE)
"""Names of variables whose values are secret. KEY is a word of its own there: KEYBOARD and MONKEY are none."""
LEAST: Final = 8
"""Characters of what is taken for a secret: a shorter value ("false", "1") would be cut out of ordinary words."""
MASK: Final = "***"


def masked(text: Any) -> Any:
    """The text without the values of secret variables; what is no text as it is."""
    if not isinstance(text, str):
        return text
    secrets = {value for name, value in os.environ.items() if len(value) >= LEAST and NAMES.search(name)}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
