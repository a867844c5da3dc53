"""Running a session to its end: look by look where looks are planned, and what has become too old once more."""

from __future__ import annotations

from collections.abc import Callable

from harness.execution.progress import Summary
from harness.execution.session import Session


def run_looks(
    session: Session, run: Callable[[Session], Summary], say: Callable[[str], None]
) -> tuple[Session, Summary]:
    """Run a session; where its grid plans looks, go on look by look until every configuration is decided.

    A measurement that had been left unfinished is finished first, and made anew where it is too old by then.

    Returns the last session that ran and what it did. Out of time, with cells left, or interrupted it stops there.
    """
    while True:
        summary = run(session)
        once = session.grid.seed_plan is None and session.wishes.renewal.oldest is None
        if once or summary.interrupted or summary.missing or summary.blocked:
            return session, summary
        following = session.reopened()
        due = len(following.plan.of("to do"))
        if not due:
            return session, summary
        if session.grid.seed_plan is not None:
            say(f"next look: {due} more cells, of configurations that are not decided yet")
        else:
            say(f"finished what had been left unfinished; {due} cells are too old by now and are measured anew")
        session = following
