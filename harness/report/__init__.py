"""Reports: one ReportModel, then renderers that only read it. Pure; the command line reads and writes files."""
