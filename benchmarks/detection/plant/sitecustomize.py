"""Plants the fault that `DETECTION_FAULT` names in its library, as soon as that has been imported; nothing else.

On the PYTHONPATH of the environment under test: a broken library, as far as the harness can tell.
"""

import os
import sys

from benchmarks.detection.plant import planted
from benchmarks.slow_step.planter import Planter

if os.environ.get("DETECTION_FAULT"):
    sys.meta_path.insert(0, Planter(*planted.FAULTS[os.environ["DETECTION_FAULT"]]))
