"""The package as it is built and installed, and its types."""
from __future__ import annotations

import ast
import json
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path
from typing import Any

from samlgate import __version__

from .support import PACKAGE, ROOT


def run(*command: Any, cwd: Path = PACKAGE) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class TypesTest(unittest.TestCase):
    def test_passes_mypy_in_strict_mode(self) -> None:
        with tempfile.TemporaryDirectory() as cache:
            run(sys.executable, "-m", "mypy", "--cache-dir", cache, "samlgate", "tests")

    def test_uses_only_the_syntax_of_python_3_9(self) -> None:
        for file in PACKAGE.rglob("*.py"):
            ast.parse(file.read_text("utf-8"), str(file), feature_version=(3, 9))


class BuildTest(unittest.TestCase):
    def test_has_the_version_of_the_gateway(self) -> None:
        self.assertEqual(__version__, json.loads((ROOT / "package.json").read_text("utf-8"))["version"])

    def test_is_built_and_works_in_an_empty_environment(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            # The wheel is built from the sdist, so a file that is missing there is missing in both.
            run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, copy_of_the_package(folder))
            (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
            with zipfile.ZipFile(wheel) as archive:
                packed = set(archive.namelist())
                (metadata,) = (archive.read(file).decode() for file in packed if file.endswith("/METADATA"))
            modules = {f"samlgate/{file.name}" for file in (PACKAGE / "samlgate").iterdir() if file.is_file()}
            self.assertEqual({file for file in packed if not file.startswith(f"samlgate-{__version__}.dist-info/")}, modules)
            self.assertIn("samlgate/py.typed", modules)
            required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
            self.assertEqual(required, [])
            self.assertIn("Requires-Python: >=3.9", metadata)
            with tarfile.open(sdist) as archive_of_sources:
                self.assertTrue(any(file.endswith("/LICENSE") for file in archive_of_sources.getnames()))
            run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
            python = folder / "venv" / "bin" / "python"
            run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", "--disable-pip-version-check", wheel)
            # -P and the folder keep the sources out of the path.
            program = "import samlgate.auth, samlgate.errors, samlgate.types; print(samlgate.__file__, samlgate.__version__, samlgate.Client('http://localhost:1', 't'))"
            printed = run(python, "-I", "-c", program, cwd=folder)
            self.assertIn(str(folder), printed)
            self.assertIn(f"{__version__} <samlgate.Client http://localhost:1>", printed)


def copy_of_the_package(folder: Path) -> Path:
    """Building writes beside the sources, so it gets a copy."""
    copy = folder / "sources"
    run("cp", "-R", PACKAGE, copy)
    return copy
