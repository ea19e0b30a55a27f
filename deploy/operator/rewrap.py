"""`rewrap`: the keys of every wallet are wrapped with the newest key-encryption key.

For a rotation: add the new key (a line of KEY_FILE, or a version in Vault), rewrap, and take the
old one out a minute after. Nothing stops meanwhile, and no wallet's own key changes. It concerns
every marketplace.
"""

from orchestrator.escrow.v1.escrow_pb2 import RewrapKeysRequest, RewrapKeysResponse

from deploy.operator.answers import DONE, REFUSED, Answer, warn
from deploy.operator.command import asking
from deploy.operator.session import Session


@asking("rewrap", about=__doc__)
async def command(session: Session) -> Answer:
    """Rewrap page after page, and say how far it is. Raises: DomainError."""
    rewrapped, after = 0, ""
    unusable: list[str] = []
    while True:
        page = await _page(session, after)
        rewrapped += page.rewrapped
        unusable += page.unusable
        after = page.next_after
        if not after:
            break
        warn(f"{rewrapped} keys")
    lines = [f"{rewrapped} keys are wrapped with {page.key_id}"]
    lines += [f"{address}: its key does not open; the old key is needed" for address in unusable]
    return Answer(
        lines=lines,
        document={"rewrapped": rewrapped, "unusable": unusable, "keyId": page.key_id},
        exit_code=REFUSED if unusable else DONE,
    )


async def _page(session: Session, after: str) -> RewrapKeysResponse:
    services = session.services
    # The call is for a marketplace, as every call is; the keys are those of all.
    return await services.call(
        services.escrow.RewrapKeys,
        RewrapKeysRequest(after=after),
        marketplace_id=session.marketplaces[0].id,
    )
