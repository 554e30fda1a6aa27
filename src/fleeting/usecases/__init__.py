"""One deed per file, five beats each: gather, decide, sign, commit, return."""
