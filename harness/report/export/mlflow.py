"""MLflow's runs, by its own client."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final

from harness.report.export.needs import needed
from harness.report.export.tracked import Tracked

AT_ONCE: Final = 1000
"""Metrics that MLflow takes in one call."""
KEY: Final = "harness.run"


def to_mlflow(grid: str, runs: Sequence[Tracked], uri: str) -> None:
    """Add each run to the experiment of the grid's name at a tracking URI; one that is there is left as it is.

    Raises
    ------
    RequirementError
        Without mlflow, or without sqlalchemy where the URI is a database.
    """
    needed("mlflow", "mlflow")
    if uri.startswith("sqlite:"):
        needed("sqlalchemy", "mlflow")
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    client = MlflowClient(tracking_uri=uri)
    known = client.get_experiment_by_name(grid)
    experiment = client.create_experiment(grid) if known is None else known.experiment_id
    there = {run.data.tags.get(KEY) for run in _every(client, experiment)}
    for one in (run for run in runs if run.key not in there):
        began, ended = int(1000 * one.began), int(1000 * one.ended)
        tags = {KEY: one.key, "harness.verdict": one.mark or "PASS", "harness.status": one.row.status}
        run = client.create_run(experiment, start_time=began, tags=tags, run_name=one.name)
        metrics = [Metric(name, value, began, step) for name, step, value in one.points()]
        metrics += [Metric(name, value, ended, one.last_step) for name, value in one.scores.items()]
        parameters = [Param(name, value) for name, value in one.parameters.items()]
        client.log_batch(run.info.run_id, params=parameters[:100])
        for at in range(0, len(metrics), AT_ONCE):
            client.log_batch(run.info.run_id, metrics=metrics[at : at + AT_ONCE])
        client.set_terminated(run.info.run_id, "FINISHED", end_time=ended)


def _every(client: Any, experiment: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([experiment], page_token=token)
        yield from page
        token = page.token
        if not token:
            return
