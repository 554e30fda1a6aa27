"""The benchmarks of Fleeting: `python -m bench [--quick] [part …]`."""
