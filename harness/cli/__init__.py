"""The command line: one file a command. Parse, call, print, exit code; no logic."""
