"""`make conform VECTORS=file`: replays a file of vectors, and prints what differs.

Exit code 0: everything is as wanted; 1: something differs; 2: the file cannot be read.
"""

import argparse
import sys
from pathlib import Path

from devnet.conform.replay import differences
from devnet.conform.vectors import UnreadableVectorsError, Vectors, read


def main(arguments: list[str] | None = None) -> int:
    """Replay the file and return the exit code."""
    parser = argparse.ArgumentParser(prog="devnet.conform", description=__doc__)
    parser.add_argument("vectors", type=Path, help="a file of vectors")
    path = parser.parse_args(arguments).vectors
    try:
        vectors = read(path)
    except UnreadableVectorsError as error:
        sys.stderr.write(f"conform: {error}\n")
        return 2
    differing = _replay(vectors)
    holding = len(vectors.cases) - differing
    sys.stdout.write(f"{holding} of {len(vectors.cases)} cases hold; {differing} differ\n")
    return 1 if differing else 0


def _replay(vectors: Vectors) -> int:
    """Print every difference. Returns: the number of cases that differ."""
    differing = 0
    for case in vectors.cases:
        found = list(differences(case, vectors.defaults))
        for difference in found:
            sys.stdout.write(f"{difference}\n")
        differing += bool(found)
    return differing


if __name__ == "__main__":
    sys.exit(main())
