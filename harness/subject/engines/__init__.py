"""The engines: three ways of running one recipe, each returning the same `Trained`."""
