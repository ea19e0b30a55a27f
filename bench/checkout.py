"""A folder with the project at some commit, whose programs run with its own interpreter."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.process import Command
from deploy.local.settings import ROOT, child_environment


class NoEnvironmentError(Exception):
    """The checkout has no installed environment."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with the project at some commit."""

    folder: Path = ROOT

    @property
    def path(self) -> str:
        """The PYTHONPATH of its programs."""
        return os.pathsep.join((str(self.folder), str(self.folder / "gen")))

    @property
    def commit(self) -> str:
        """The commit, with `-dirty` if files differ from it."""
        asked = ["git", "describe", "--always", "--dirty", "--exclude=*"]
        done = subprocess.run(  # noqa: S603 - ours
            asked, cwd=self.folder, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() or "unknown"

    @property
    def python(self) -> str:
        """Its interpreter. Raises: NoEnvironmentError."""
        python = self.folder / ".venv/bin/python"
        if not python.exists():
            raise NoEnvironmentError(f"{python} is missing; run `make setup` in {self.folder}")
        return str(python)

    def command(self, *module: str, **more: str) -> Command:
        """Return `python -m …` in this checkout. Raises: NoEnvironmentError."""
        return Command(
            name=module[0],
            argv=[self.python, "-m", *module],
            environment=child_environment(PYTHONPATH=self.path, **more),
            folder=self.folder,
        )
