"""The tests of the package. ``npm test`` runs them with ``run.py``."""
from __future__ import annotations
