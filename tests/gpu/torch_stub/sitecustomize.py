"""Answers the harness's probe of an interpreter with `TORCH_STUB_FACTS`: a torch that sees devices, without one."""

import os
import sys

if sys.orig_argv[-1] == "facts":
    print(os.environ["TORCH_STUB_FACTS"], flush=True)
    os._exit(0)
