"""JUnit's XML: one suite of test cases, as CI systems and the published schemas want it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

_COUNTED: Final[Mapping[str, str]] = {"failure": "failures", "error": "errors", "skipped": "skipped"}


@dataclass(frozen=True)
class Case:
    """A test case. `result` None: it passed; `kind` is the word for what it is then, `text` what a reader sees."""

    classname: str
    name: str
    properties: Sequence[tuple[str, str]]
    result: Literal["failure", "error", "skipped"] | None = None
    message: str = ""
    kind: str = ""
    text: str = ""


def junit_xml(name: str, cases: Sequence[Case]) -> str:
    """Return one suite with its cases in the order given. Texts must be free of what XML 1.0 cannot hold."""
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", name=name)
    counts = dict.fromkeys(_COUNTED.values(), 0)
    for one in cases:
        case = ET.SubElement(suite, "testcase", classname=one.classname, name=one.name)
        properties = ET.SubElement(case, "properties")
        for key, value in one.properties:
            ET.SubElement(properties, "property", name=key, value=value)
        if one.result is None:
            continue
        counts[_COUNTED[one.result]] += 1
        element = ET.SubElement(case, one.result, message=one.message)
        if one.result != "skipped":  # text alone in the schemas, and its message says it
            element.set("type", one.kind)
            element.text = one.text
    for element in (suite, root):
        element.set("tests", str(len(cases)))
        for counted, number in counts.items():
            if element is suite or counted != "skipped":  # the schemas know no skipped of all suites
                element.set(counted, str(number))
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
