"""The rules: pure decisions, with no clock, entropy, I/O, SQL, HTTP or logging of their own."""
