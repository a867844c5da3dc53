"""A part of a record, and the numbers in it."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

Number = Annotated[
    float,
    PlainSerializer(lambda x: x if math.isfinite(x) else str(x), when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf"]}]}),
]
"""A float that may be NaN or infinite; JSON carries those as the strings "nan", "inf", "-inf"."""


class Part(BaseModel):
    """A part of a record: nothing unknown in it, never changed."""

    # What `Any` holds (an argument, say) may be infinite too: null would say that it was not there.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")
