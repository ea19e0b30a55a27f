"""`make conform`: replays a file of vectors, and prints every difference.

With the escrow's wasm, the same calls run on the wasm too, and all three results are compared. With
LIVES, that many random lives are played as well: by the devnet's rules, and on the wasm if it is
given. Exit code 0: everything is as wanted; 1: something differs; 2: a file cannot be read.
"""

import argparse
import sys
from pathlib import Path

from devnet.conform.lives import play
from devnet.conform.replay import differences
from devnet.conform.vectors import UnreadableVectorsError, Vectors, read
from devnet.wasm import contract
from devnet.wasm.contract import UnreadableWasmError, WasmContract


def main(arguments: list[str] | None = None) -> int:
    """Replay the file and return the exit code."""
    parser = argparse.ArgumentParser(prog="devnet.conform", description=__doc__)
    parser.add_argument("vectors", type=Path, help="a file of vectors")
    parser.add_argument("--wasm", type=Path, help="the escrow's wasm")
    parser.add_argument("--lives", type=int, default=0, help="random lives of a contract")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first life")
    given = parser.parse_args(arguments)
    try:
        vectors = read(given.vectors)
        code = None if given.wasm is None else _code(given.wasm, vectors)
        differing = _replay(vectors, code)
    except (UnreadableVectorsError, UnreadableWasmError) as error:
        sys.stderr.write(f"conform: {error}\n")
        return 2
    holding = len(vectors.cases) - differing
    sys.stdout.write(f"{holding} of {len(vectors.cases)} cases hold; {differing} differ\n")
    if given.lives:
        differing += _live(vectors, code, lives=given.lives, seed=given.seed)
    return 1 if differing else 0


def _live(vectors: Vectors, code: WasmContract | None, *, lives: int, seed: int) -> int:
    """Print the results of random lives, and each one that failed.

    Returns: the number of faults.
    """
    found = play(vectors.defaults, lives=lives, seed=seed, code=code)
    for fault in found.faults:
        sys.stdout.write(f"{fault}\n")
    on = "devnet alone" if code is None else "devnet and wasm"
    told = f"{found.lives} lives from seed {seed} on {on}: {found.calls} calls"
    sys.stdout.write(f"{told}, {found.accepted} accepted; {len(found.faults)} differ\n")
    return len(found.faults)


def _code(path: Path, vectors: Vectors) -> WasmContract:
    """Read the wasm that the vectors were recorded with.

    Raises: UnreadableWasmError: another wasm.
    """
    code = contract.read(path)
    if code.sha256.hex() != vectors.wasm_sha256:
        message = f"its SHA-256 is {code.sha256.hex()}, the vectors are of {vectors.wasm_sha256}"
        raise UnreadableWasmError(f"{path}: {message}")
    return code


def _replay(vectors: Vectors, code: WasmContract | None) -> int:
    """Print every difference. Returns: the number of cases that differ."""
    differing = 0
    for case in vectors.cases:
        found = [str(item) for item in differences(case, vectors.defaults)]
        if code is not None:
            on_wasm = [str(item) for item in differences(case, vectors.defaults, code)]
            found = [
                *(f"devnet: {line}" for line in found),
                *(f"wasm: {line}" for line in on_wasm),
            ]
        for line in found:
            sys.stdout.write(f"{line}\n")
        differing += bool(found)
    return differing


if __name__ == "__main__":
    sys.exit(main())
