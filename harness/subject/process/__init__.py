"""Processes: the host that forks, its children, the ranks of a cell on several devices."""
