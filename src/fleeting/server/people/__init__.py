"""People at the door: logging in, sessions, passkeys, and the command line's own login."""
