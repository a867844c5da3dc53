"""Everything that makes cells happen: facts about the machine, plan, hosts, scheduling, and the run itself."""
