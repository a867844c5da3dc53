"""References: published values with their provenance, and the arithmetic that says which of them can be true. Pure."""

from harness.references.audit import Audit, audit, audit_values, comparable
from harness.references.contradictions import Contradiction, contradictions
from harness.references.model import Published, Reference
from harness.references.registry import Registry, find, load, registry
from harness.references.rows import AuditRow, ListRow, audit_registry, details, list_rows

__all__ = [
    "Audit",
    "AuditRow",
    "Contradiction",
    "ListRow",
    "Published",
    "Reference",
    "Registry",
    "audit",
    "audit_registry",
    "audit_values",
    "comparable",
    "contradictions",
    "details",
    "find",
    "list_rows",
    "load",
    "registry",
]
