"""What runs inside the environment under test.

This package imports only the standard library, numpy, torch, transformers, datasets, evaluate and accelerate (and
`harness.protocol` and `harness.errors`): it must also run under old transformers in another interpreter that has none
of the harness's other dependencies. Nothing outside it imports it; its programs are started by `process/start.py`.
"""
