"""Planned looks: run what is due, see what is decided, run what is due then."""

from __future__ import annotations

from collections.abc import Callable

from harness.execution.progress import Summary
from harness.execution.session import Session


def run_looks(
    session: Session, run: Callable[[Session], Summary], say: Callable[[str], None]
) -> tuple[Session, Summary]:
    """Run a session; where its grid plans looks, go on look by look until every configuration is decided.

    Returns the last session that ran and what it did. Out of time, with cells left, or interrupted it stops there.
    """
    while True:
        summary = run(session)
        if session.grid.seed_plan is None or summary.interrupted or summary.missing or summary.blocked:
            return session, summary
        following = session.reopened()
        due = len(following.plan.of("to do"))
        if not due:
            return session, summary
        say(f"next look: {due} more cells, of configurations that are not decided yet")
        session = following
