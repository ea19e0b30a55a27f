"""`make alerts-check`: tests the alerts of deploy/k8s with promtool, on prepared data.

promtool reads rule files, not Kubernetes objects. So the rules inside the object are written to
build/alerts, beside the data.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "deploy/k8s/components/monitoring"
BUILD = ROOT / "build/alerts"


def main() -> None:
    """Check and test the rules; exit code 1 without promtool, or if a rule fails."""
    promtool = shutil.which("promtool")
    if promtool is None:
        sys.exit("alerts-check: needs promtool, which comes with Prometheus")
    BUILD.mkdir(parents=True, exist_ok=True)
    rules = yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]
    (BUILD / "rules.plain.yaml").write_text(yaml.safe_dump(rules))
    shutil.copy(MONITORING / "rules.test.yaml", BUILD)
    for words in (("check", "rules", "rules.plain.yaml"), ("test", "rules", "rules.test.yaml")):
        done = subprocess.run([promtool, *words], cwd=BUILD, check=False)
        if done.returncode:
            sys.exit(1)


if __name__ == "__main__":
    main()
