from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from harness.record.fit import fitted

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(texts, st.integers(150, 800))
def test_details_keep_as_much_of_their_end_as_there_is_room_for(details: str, limit: int) -> None:
    whole = json.dumps({"failure": {"type": "E", "details": details}}, ensure_ascii=False, indent=1)
    text = fitted(whole, limit)
    kept = json.loads(text)["failure"]["details"]
    assert len(text.encode()) <= limit
    if kept != details:
        assert kept == "" or details.endswith(kept.removeprefix("… "))
        assert len(text.encode()) > limit - 16


@given(st.dictionaries(texts, texts, max_size=5), st.integers(0, 50))
def test_what_cannot_be_shortened_is_kept(data: dict[str, str], limit: int) -> None:
    data.pop("failure", None)
    for key in ("observed", "measured"):
        data.pop(key, None)
    assert json.loads(fitted(json.dumps(data), limit)) == data


def test_what_fits_is_untouched() -> None:
    assert fitted('{"a":  1}', 9) == '{"a":  1}'
    assert fitted('{"a":  1}', 8) == '{"a":1}\n'
