"""`harness selftest`: faults on copies of real runs, and what check, diff and verify say of them."""
