"""Write the OpenAPI documents of both APIs into a folder.

Usage: python -m tools.openapi FOLDER
"""

import json
import sys
from pathlib import Path

from gateway.marketplace import view as marketplace
from gateway.party import view as party


def main(folder: Path) -> None:
    """Write `marketplace.json` and `party.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in (("marketplace", marketplace.document), ("party", party.document)):
        (folder / f"{name}.json").write_text(json.dumps(document(), indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
