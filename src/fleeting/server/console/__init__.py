"""What people see: plain pages without scripts, and the JSON API that the command line speaks."""
