"""How fast a configuration trains, compared by pairs of processes or with kept sessions."""
