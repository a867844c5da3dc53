"""Where cells run: on this machine, or on the nodes of a cluster; what a run asks of either."""
