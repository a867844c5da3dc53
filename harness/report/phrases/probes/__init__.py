"""What probes come to, in words: of the gate by planted faults, of releases by short runs."""
