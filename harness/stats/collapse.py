"""When a run has collapsed: it learned nothing that the majority class does not say (statistics.md, section 1.2)."""

from __future__ import annotations


def is_collapsed(tp: int, fp: int, fn: int, tn: int) -> bool:
    """Say whether confusion counts are those of a collapsed run.

    Constant predictions, or an accuracy no better than the majority class (Mosbach et al. 2021, "failed run").
    On MRPC's validation split (279 of 408 positive) that is an accuracy of at most 279/408 = 0.6838.
    """
    constant = tp + fp == 0 or tn + fn == 0
    return constant or tp + tn <= max(tp + fn, tn + fp)
