"""Reports: one ReportModel, then renderers that only read it. Pure; the command line reads and writes files."""

from harness.report.build import build_report
from harness.report.model import GridFacts, ReportModel
from harness.report.render import render

__all__ = ["GridFacts", "ReportModel", "build_report", "render"]
