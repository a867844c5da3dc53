"""The parts of a record: what a run really was, step by step too, what came out of it, and how fast it was.

None is "not available", never a pass.
"""
