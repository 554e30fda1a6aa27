"""Users' documentation, and what writes its generated pages: ``python -m docs.generate``."""
