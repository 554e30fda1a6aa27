"""Prove what a set of policies can never do, or show a request with which it does.

Only ``solving`` and what imports it need z3 (the extra ``fleeting[prove]``): properties, cases
and enumeration do without.
"""
