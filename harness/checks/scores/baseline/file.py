"""A baseline's file: JSON in a fixed order, one line a seed, so that a diff in a review reads well."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from harness.checks.scores.baseline.model import SCHEMA, Baseline
from harness.disk import explained, write_durably
from harness.errors import SpecError
from harness.text import show
from harness.validation import decoded, explain, name_of, raise_problems, read_bytes

SUFFIX: Final = ".json"
MAX_BYTES: Final = 64 * 2**20
WANTED: Final = "a baseline as `harness baseline save` writes it"

Place = tuple[str, ...]
"""Where a value stands in a file: keys from the outside in, `*` for any key or number."""

_ONE_LINE: Final[tuple[Place, ...]] = (
    ("grid", "select"),
    ("environments", "*", "machine", "*"),
    ("configurations", "*", "asked", "*"),
    ("configurations", "*", "seeds", "*"),
    ("configurations", "*", "lost"),
    ("left_out", "*"),
)


def baseline_text(baseline: Baseline) -> str:
    """The file's text: fields in the model's order, names that no grid orders (packages, facts) sorted."""
    data = baseline.model_dump(mode="json", by_alias=True)
    for facts in data["environments"].values():
        facts["packages"] = dict(sorted(facts["packages"].items()))
        facts["machine"] = dict(sorted(facts["machine"].items()))
    data["environments"] = dict(sorted(data["environments"].items()))
    for configuration in data["configurations"]:
        configuration["seeds"] = dict(sorted(configuration["seeds"].items(), key=lambda pair: int(pair[0])))
    return laid_out(data, _ONE_LINE) + "\n"


def write_baseline(path: Path, baseline: Baseline, replace: bool = False) -> None:
    """Write the file, whole or not at all.

    Raises
    ------
    SpecError
        Where there is such a file already and `replace` is not set, or a folder of that name.
    StoreError
        Where it cannot be written.
    """
    if path.suffix != SUFFIX:
        raise SpecError(f"--out: got {show(str(path))}; allowed a file name that ends in {SUFFIX}")
    if path.is_dir():
        raise SpecError(f"--out: got the folder {name_of(path)}; allowed a file")
    if path.exists() and not replace:
        allowed = "another --out, or --force to replace it (keep the old one in git)"
        raise SpecError(f"{name_of(path)}: there is such a file already; allowed {allowed}")
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, baseline_text(baseline))


def read_baseline(path: Path) -> Baseline:
    """Read and check a baseline.

    Raises
    ------
    SpecError
        With a line for every problem: file, dotted field, value got, what is allowed.
    """
    return parse_baseline(read_bytes(path, WANTED, MAX_BYTES), name_of(path))


def parse_baseline(content: bytes, file: str) -> Baseline:
    """Check a baseline given as the bytes of its file; raises like `read_baseline`."""
    data = _parsed(content, file)
    if not isinstance(data, dict):
        raise SpecError(f"{file}: got {show(data)}; allowed {WANTED}")
    if "schema" not in data:
        raise SpecError(f"{file}: schema: missing; allowed {WANTED}")
    schema = data["schema"]
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise SpecError(f"{file}: schema: got {show(schema)}, of a newer harness; allowed 1 to {SCHEMA}")
    try:
        baseline = Baseline.model_validate(data)
    except ValidationError as error:
        raise_problems(explain(error, Baseline, file))
        raise AssertionError("a validation error has problems") from error
    raise_problems([f"{file}: {problem}" for problem in baseline.problems()])
    return baseline


def _parsed(content: bytes, file: str) -> Any:
    text = decoded(content, file)
    try:
        return json.loads(text, parse_constant=no_constant, object_pairs_hook=no_key_twice)
    except json.JSONDecodeError as error:
        got = show(text[error.pos : error.pos + 24]) if error.pos < len(text) else "the end"
        where = f"{file}: line {error.lineno}, column {error.colno}"
        raise SpecError(f"{where}: got {got}; allowed JSON ({error.msg})") from error
    except RecursionError as error:
        raise SpecError(f"{file}: nested too deeply; allowed {WANTED}") from error
    except RefusedError as error:
        raise SpecError(f"{file}: {error}") from error
    except ValueError as error:
        # int() refuses more than 4300 digits.
        raise SpecError(f"{file}: got a number of thousands of digits; allowed 64 bits") from error


class RefusedError(ValueError):
    """JSON that a parser would take and that we do not; its text says what was got and what is allowed."""


def no_constant(name: str) -> NoReturn:
    """Refuse NaN and infinities, which JSON does not have; for `json.loads`, as the next one."""
    raise RefusedError(f"got {name}; allowed finite numbers")


def no_key_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that comes twice: a merge that kept both sides would silently lose one of them."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RefusedError(f"got the key {show(key)} twice in one table; allowed once")
        found[key] = value
    return found


def laid_out(data: Any, one_line: Sequence[Place], place: Place = ()) -> str:
    """JSON indented by one blank a level; what stands at a place of `one_line` keeps to one line, whatever it holds."""
    if not isinstance(data, (dict, list)) or not data or any(_fits(place, pattern) for pattern in one_line):
        return json.dumps(data, ensure_ascii=False, allow_nan=False)
    indent, close = " " * (len(place) + 1), " " * len(place)
    if isinstance(data, dict):
        rows = [
            f"{json.dumps(key, ensure_ascii=False)}: {laid_out(item, one_line, (*place, key))}"
            for key, item in data.items()
        ]
    else:
        rows = [laid_out(item, one_line, (*place, "*")) for item in data]
    first, last = "{}" if isinstance(data, dict) else "[]"
    return f"{first}\n{indent}" + f",\n{indent}".join(rows) + f"\n{close}{last}"


def _fits(place: Place, pattern: Place) -> bool:
    return len(place) == len(pattern) and all(b in ("*", a) for a, b in zip(place, pattern, strict=True))
