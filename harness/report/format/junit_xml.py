"""JUnit's XML: suites of test cases, as CI systems and the published schemas want them."""

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


def junit_xml(
    suites: Sequence[tuple[str, Sequence[Case]]], properties: Mapping[str, Sequence[tuple[str, str]]] = {}
) -> str:
    """Return suites by name with their cases in the order given; `properties` are those of suites, by name.

    Texts must be free of what XML 1.0 cannot hold.
    """
    root = ET.Element("testsuites")
    for name, cases in suites:
        suite = ET.SubElement(root, "testsuite", name=name)
        if name in properties:
            _add_properties(suite, properties[name])
        for one in cases:
            _add(suite, one)
        _count(suite, cases, skipped=True)
    _count(root, [one for _, cases in suites for one in cases], skipped=False)  # the schemas know none of all suites
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add(suite: ET.Element, one: Case) -> None:
    case = ET.SubElement(suite, "testcase", classname=one.classname, name=one.name)
    _add_properties(case, one.properties)
    if one.result is None:
        return
    element = ET.SubElement(case, one.result, message=one.message)
    if one.result != "skipped":  # text alone in the schemas, and its message says it
        element.set("type", one.kind)
        element.text = one.text


def _add_properties(element: ET.Element, properties: Sequence[tuple[str, str]]) -> None:
    under = ET.SubElement(element, "properties")
    for key, value in properties:
        ET.SubElement(under, "property", name=key, value=value)


def _count(element: ET.Element, cases: Sequence[Case], *, skipped: bool) -> None:
    element.set("tests", str(len(cases)))
    for result, counted in _COUNTED.items():
        if result != "skipped" or skipped:
            element.set(counted, str(sum(one.result == result for one in cases)))
