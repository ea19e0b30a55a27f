"""`rewrap`: wrap the keys of all wallets with the newest key-encryption key.

To rotate the key: add a new one (a line in KEY_FILE, or a version in Vault), run rewrap, and remove
the old one a minute later. Services keep running, and the wallets' own keys do not change. It
applies to every marketplace.
"""

from orchestrator.escrow.v1.escrow_pb2 import RewrapKeysRequest

from deploy.operator.answers import DONE, REFUSED, Answer, counted, warn
from deploy.operator.command import asking
from deploy.operator.session import Session


@asking("rewrap", about=__doc__)
async def command(session: Session) -> Answer:
    """Rewrap all keys, page by page, and print the progress. Raises: DomainError."""
    rewrapped, after = 0, ""
    unusable: list[str] = []
    while True:
        # Every call must name a marketplace, but this one rewraps the keys of all marketplaces.
        page = await session.services.call(
            session.services.escrow.RewrapKeys,
            RewrapKeysRequest(after=after),
            marketplace_id=session.marketplaces[0].id,
        )
        rewrapped += page.rewrapped
        unusable += page.unusable
        after = page.next_after
        if not after:
            break
        warn(f"{counted(rewrapped, 'key')} so far")
    lines = [f"{counted(rewrapped, 'key')} wrapped with {page.key_id}"]
    lines += [
        f"{address}: its key cannot be unwrapped; the old key is needed" for address in unusable
    ]
    return Answer(
        lines=lines,
        document={"rewrapped": rewrapped, "unusable": unusable, "keyId": page.key_id},
        exit_code=REFUSED if unusable else DONE,
    )
