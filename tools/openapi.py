"""Write the OpenAPI documents of both APIs into a folder, for programs that read them from files.

Usage: python -m tools.openapi FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any, cast

from gateway.marketplace import view as marketplace
from gateway.party import view as party


def main(folder: Path) -> None:
    """Write `marketplace.json` and `party.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    # A document is made of the routes alone: nobody is admitted, and nothing served.
    nothing = cast("Any", None)
    for name, view in (("marketplace", marketplace), ("party", party)):
        build = cast("Any", view).build
        document = build(view=nothing, parts=nothing, wait_seconds=0).openapi()
        (folder / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
