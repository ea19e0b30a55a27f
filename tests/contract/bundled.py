"""Each call as a bundle of one: a service must treat it like a call that was sent alone."""

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from orchestrator.bundle.v1 import bundle_pb2, bundle_pb2_grpc

from chassis.bundles import CODES, from_metadata
from chassis.identity import METADATA_KEY, REPLAYED_KEY, Identity
from chassis.status import from_rpc_error
from tests.identities import signer


class Bundled:
    """A transport that sends bundles on a channel."""

    def __init__(self, channel: grpc.aio.Channel, service: ServiceDescriptor) -> None:
        """Take the channel to a service."""
        self._carry = bundle_pb2_grpc.BundleServiceStub(channel).Carry
        self._service = service

    async def exchange(
        self, method: str, request: Message, *, who: Identity, timeout_seconds: float
    ) -> tuple[Message, bool]:
        """Send one call and return its answer. Raises: DomainError."""
        token = signer(who.caller).token(who)
        call = bundle_pb2.Call(
            method=f"/{self._service.full_name}/{method}",
            request=request.SerializeToString(),
            metadata=[bundle_pb2.Metadata(key=METADATA_KEY, value=token.encode())],
            timeout_ms=int(timeout_seconds * 1000),
        )
        bundle = bundle_pb2.CarryRequest(calls=[call])
        messages = [one async for one in self._carry(bundle, timeout=timeout_seconds)]
        [answer] = [answer for message in messages for answer in message.answers]
        trailing = grpc.aio.Metadata(*from_metadata(answer.trailing))
        code = CODES[answer.code]
        if code is not grpc.StatusCode.OK:
            failed = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, answer.message)
            refusal = from_rpc_error(failed)
            refusal.replayed = dict(trailing).get(REPLAYED_KEY) == "true"
            raise refusal
        kind = message_factory.GetMessageClass(self._service.methods_by_name[method].output_type)
        return kind.FromString(answer.response), dict(trailing).get(REPLAYED_KEY) == "true"
