"""Commands in a project folder that is their home too: no settings of whoever runs the tests."""

import subprocess
import sys
from pathlib import Path

from pipeline.code_closure import ROOT


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command there, with this environment's Python and programs, and the stages at hand."""
    return subprocess.run(
        command,
        cwd=folder,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "DVC_NO_ANALYTICS": "1",
        },
        capture_output=True,
        text=True,
    )
