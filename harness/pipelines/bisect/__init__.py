"""`harness bisect`: which release of a package, or commit of a checkout, changed what training does."""
