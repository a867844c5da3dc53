"""Reports: one ReportModel, then renderers that only read it. Pure; the command line reads and writes files."""

from harness.report.run.build import build_report
from harness.report.run.model import GridFacts, ReportModel
from harness.report.run.render import render

__all__ = ["GridFacts", "ReportModel", "build_report", "render"]
