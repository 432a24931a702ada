"""Runs the tests and writes a report for ``npm test``: ``run.py REPORT [NAME...]``."""
from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path
from typing import Any, Set

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from tests.support import stop_shared_gateway  # noqa: E402


class _Result(unittest.TextTestResult):
    """Counts tests, not their sub-tests: each failed test counts once."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.passed = 0

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self.passed += 1

    def failed_tests(self) -> Set[str]:
        return {getattr(test, "test_case", test).id() for test, _ in [*self.failures, *self.errors]}


def main() -> int:
    report, names = Path(sys.argv[1]), sys.argv[2:]
    loader = unittest.TestLoader()
    if names:
        suite = loader.loadTestsFromNames([f"tests.{name}" for name in names])
    else:
        suite = loader.discover(str(HERE), top_level_dir=str(HERE.parent))
    result = unittest.TextTestRunner(resultclass=_Result).run(suite)
    assert isinstance(result, _Result)
    stop_shared_gateway()
    counts = {"passed": result.passed, "failed": len(result.failed_tests()), "skipped": len(result.skipped)}
    report.write_text(json.dumps(counts), "utf-8")
    return 0 if result.wasSuccessful() and result.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
