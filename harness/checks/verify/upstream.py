"""Known defects of the software under test, named only where what was found really fits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from harness.fact import Fact

if TYPE_CHECKING:
    from harness.record.run import Run  # it needs numpy, and every command says what is known

FIT: Final = 2e-3
"""How far the ratio found may be from the one that the defect predicts, relative."""

LOSS_SCALE: Final = "huggingface/transformers#47688"
"""The Trainer leaves the scaling of the loss to a model that does not scale it."""

BACKWARD_SCALE: Final = "huggingface/transformers#35207"
"""The Trainer of 4.46 and 4.47 divides the loss only after the backward pass; 4.48 divides before."""

EPOCH_STEPS: Final = "huggingface/transformers#36297"
"""The Trainer of 4.48 to 4.51 counts an epoch's steps rounded down and takes them rounded up."""

KNOWN: Final = (LOSS_SCALE, BACKWARD_SCALE, EPOCH_STEPS)
"""Every issue that the harness recognises by itself."""

TRAINING: Final = ("accumulation", "devices", "engine", "work_around", "epoch_end", "logged loss")
"""Kinds of check whose ratio of losses or gradient norms the defect multiplies by micro-batches x ranks."""

EVALUATION: Final = "evaluation loss"
"""The kind whose ratio it multiplies by the ranks alone: there is no accumulation in an evaluation."""


def at_least(version: str | None, release: tuple[int, ...]) -> bool | None:
    """Say whether a version is of `release` or newer, development versions of it included; None where not known."""
    if version is None:
        return None
    try:
        return Version(version).release[: len(release)] >= release
    except InvalidVersion:
        return None


@dataclass(frozen=True)
class Scaling:
    """What decides whether a run has the defect: n micro-batches accumulated, k ranks, version, who scales."""

    accumulation: int
    ranks: int
    transformers: str | None
    accepts_loss_kwargs: bool | None
    engine: str = "trainer"

    def excess(self, kind: str) -> int:
        """How many times too large the defect makes a loss: n x k in training, k in an evaluation, 1 without it."""
        if self.engine != "trainer" or self.accepts_loss_kwargs is not True:
            return 1
        if not at_least(self.transformers, (5,)):  # before, BERT's heads did not take any keyword
            return 1
        return self.ranks * (1 if kind == EVALUATION else self.accumulation)

    def undivided(self, kind: str) -> int:
        """How many times too large gradients are that were added up without dividing the loss; 1 without it."""
        between = at_least(self.transformers, (4, 46)) and not at_least(self.transformers, (4, 48))
        return (
            self.accumulation
            if between and self.engine == "trainer" and kind in ("accumulation", "engine", "epoch_end")
            else 1
        )


def scaling_of(run: Run) -> Scaling | None:
    """What a run says of its own scaling; None where it has no fingerprint."""
    observed, fingerprint = run.record.observed, run.fingerprint
    if observed is None or fingerprint is None:
        return None
    return Scaling(
        int(observed.arguments.get("gradient_accumulation_steps") or 1),
        fingerprint.world_size,
        observed.packages.get("transformers"),
        fingerprint.accepts_loss_kwargs,
        fingerprint.engine,
    )


def ends_early(run: Run) -> str | None:
    """`EPOCH_STEPS` where a run accumulates in a Trainer that has it, whose epochs then end early."""
    scaling = scaling_of(run)
    if scaling is None or scaling.engine != "trainer" or scaling.accumulation == 1:
        return None
    since, mended = (at_least(scaling.transformers, release) for release in ((4, 48), (4, 52)))
    return EPOCH_STEPS if since and mended is False else None


def scaling_fact(a: Run, b: Run, item: str | None, ratio: float | None, issue: str | None) -> Fact | None:
    """The fields that show a known defect in one of two runs; None where neither has it.

    With an `issue` the `ratio` found in a series, `item`, is what it makes: the gradient's ("training"), or the logged
    loss's alone ("log"). Without one nothing but the run's own log shows it ("unknown"), where the examples are others.
    `excess` is how many times too large gradients are by the table, `logged` the logged loss over the model's own, both
    of A and of B; `side` is the run with the defect.
    """
    first, second = scaling_of(a), scaling_of(b)
    if first is None or second is None:
        return None
    table = Scaling.undivided if issue == BACKWARD_SCALE else Scaling.excess
    excess, logged = [table(one, "accumulation") for one in (first, second)], [_logged(run) for run in (a, b)]
    at = int(excess[1] > excess[0]) if issue is None or ratio is None else int(ratio > 1)
    if issue is None:
        found = logged[at]
        if excess[0] == excess[1] or found is None or abs(found / excess[at] - 1) > FIT:
            return None
    return Fact.of(
        "cause.scaling",
        issue=issue or LOSS_SCALE,
        side="AB"[at],
        harm="unknown" if issue is None else "log" if item == "loss" else "training",
        accumulation=[first.accumulation, second.accumulation],
        ranks=[first.ranks, second.ranks],
        transformers=[first.transformers, second.transformers],
        accepts_loss_kwargs=[first.accepts_loss_kwargs, second.accepts_loss_kwargs],
        excess=excess,
        logged=logged,
    )


def _logged(run: Run) -> float | None:
    """The first logged loss over the model's own."""
    logged, own = run.series.get("loss"), run.series.get("micro_loss")
    if logged is None or own is None or not len(logged) or not own[0]:
        return None
    return float(logged[0] / own[0])


def known_issue(kind: str, ratio: float | None, run: Scaling | None, against: Scaling | None = None) -> str | None:
    """The known issue that explains a ratio, as OWNER/REPOSITORY#NUMBER, or None.

    Parameters
    ----------
    kind
        An invariant's kind, "logged loss" or "evaluation loss".
    ratio
        Found in `run` over what `against` has; without `against`, over what the loss should be.
    """
    if ratio is None or run is None or kind not in (*TRAINING, EVALUATION):
        return None
    for issue, excess in ((LOSS_SCALE, Scaling.excess), (BACKWARD_SCALE, Scaling.undivided)):
        expected = excess(run, kind) / (excess(against, kind) if against is not None else 1)
        if expected != 1 and abs(ratio / expected - 1) <= FIT:
            return issue
    return None
