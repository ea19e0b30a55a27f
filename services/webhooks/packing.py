"""Packing: an event of the list as few bytes, and its text again, byte for byte. Pure.

An event repeats what other events say, and what its row's other columns say. It is deflated after a
preset dictionary of both (RFC 1950 §2.2), so most of it is written as references to that.
"""

import datetime as dt
import uuid
import zlib
from typing import NamedTuple

from kernel.clock import to_milliseconds_text

# Raw deflate: without a header and a checksum, which are a tenth of a packed event.
_RAW = -zlib.MAX_WBITS
# What is packed is read with this text, so it is never changed. What is most frequent stands last,
# where references to it are shortest.
_USUAL = (
    "BUYER SELLER SUPPORT SYSTEM RELEASED REFUNDED CANCELED "
    "stellar_deposit escrow_release escrow_refund dispute_resolution manual_credit withdrawal "
    'acceptedBy":"action":"address":"amount":"approvalEndsAt":"asset":"assignedTo":"buyerId":"'
    'canceledBy":"closedAt":"completedAt":"deadline":"decision":"declinedBy":"deliveredAt":"'
    'depositId":"destination":"disputeId":"dueAt":"escrowId":"evidenceCount":"expiresAt":"'
    'externalUserId":"finalStatus":"fromAddress":"fundedAt":"lapsedAt":"ledger":"memo":"'
    'messageId":"minorUnits":"newBalance":"offerId":"offeredBy":"openedBy":"orderId":"reason":"'
    'ref":"reference":"refundAmount":"refundedAmount":"refundedAt":"releaseAmount":"'
    'releasedAmount":"releasedAt":"requestedBy":"reservedBalance":"resolvedAt":"resolvedBy":"'
    'reviewedBy":"sellerId":"source":"title":"transactionHash":"trustlessContractId":"type":"'
    'url":"userId":"userUuid":"waitsFor":"walletId":"withdrawalId":"writtenBy":"",'
    '"amount":"1.00","sellerId":"","releasedAt":"2026-","source":"escrow_release",'
    '"destination":"escrow","newBalance":"","transactionHash":"","buyerId":"",'
    '"reservedBalance":"","escrowId":"esc_","trustlessContractId":"C","userId":"usr_",'
    '"orderId":"ord_"},"metadata":{"correlationId":"01a21f99-","causationId":"","userId":"'
)


class Said(NamedTuple):
    """What the other columns of an event's row say, in their order."""

    marketplace_id: uuid.UUID
    event_id: str
    event_type: str
    occurred_at: dt.datetime
    aggregate_type: str
    aggregate_id: str

    def dictionary(self) -> bytes:
        """Return what the event is packed after: what is usual, and what these columns say."""
        at = to_milliseconds_text(self.occurred_at)
        return (
            f'{_USUAL}{at}","marketplaceId":"{self.marketplace_id}"}}}}{{"eventId":"{self.event_id}'
            f'","eventType":"{self.event_type}","occurredAt":"{at}","aggregateId":"'
            f'{self.aggregate_id}","aggregateType":"{self.aggregate_type}","version":1,"payload":'
            f'{{"orderId":"{self.aggregate_id}'
        ).encode()


def packed(body: bytes, said: Said) -> bytes:
    """Pack an event's body."""
    deflating = zlib.compressobj(wbits=_RAW, zdict=said.dictionary())
    return deflating.compress(body) + deflating.flush()


def unpacked(content: bytes, said: Said) -> str:
    """Return the body that was packed beside the same columns."""
    return zlib.decompressobj(_RAW, said.dictionary()).decompress(content).decode()
