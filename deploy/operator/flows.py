"""`stop`, `resume`, `limits`: stop and resume a flow of money, limit it per day, or list all flows.

Signed transactions are settled. New requests wait, and continue when the flow is resumed.
"""

import uuid
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import click
from orchestrator.common.v1.common_pb2 import Money
from orchestrator.escrow.v1.escrow_pb2 import (
    Flow,
    FlowChange,
    FlowChangeKind,
    FlowReport,
    FlowState,
    LimitFlowRequest,
    ListFlowsRequest,
    ResumeFlowRequest,
    StopFlowRequest,
)

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.marketplaces import ALL, LIVE, Named
from deploy.operator.session import Session
from deploy.operator.watch import TEXT
from kernel.money import UNIT, USDC, to_text

FLOWS = click.Choice(("funding", "releases", "refunds", "payments"))
NO_LIMIT = "none"
# The marketplace of requests about all marketplaces.
EVERYBODY = Named(id=uuid.UUID(int=0), name=ALL, environment=LIVE)
Request = StopFlowRequest | ResumeFlowRequest | LimitFlowRequest
Found = Sequence[tuple[Named, FlowReport]]


class _Amount(click.ParamType[str | int]):
    """An amount of USDC in minor units, or NO_LIMIT."""

    name = "amount"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | int:
        if value == NO_LIMIT or isinstance(value, int):
            return value
        try:
            units = Decimal(value) * UNIT
        except InvalidOperation:
            self.fail(f"{value!r} is not an amount", param, ctx)
        if not units.is_finite() or units < 0 or units % 1 or units >= 1 << 63:
            self.fail(f"{value!r} is not an amount of USDC", param, ctx)
        return int(units)


# --marketplace is required: otherwise leaving it out would stop all marketplaces.
@asking("stop", about="Stop a flow of money: nothing more of it is signed.", marketplace=None)
@click.option("--flow", type=FLOWS, required=True)
@click.option("--reason", type=TEXT, required=True, help="The reason; stored in the history.")
async def stop(session: Session, *, flow: str, reason: str) -> Answer:
    """Stop a flow. When this returns, the flow is stopped."""
    return await _change(session, StopFlowRequest(flow=_flow(flow), reason=reason))


@asking("resume", about="Resume a stopped flow of money.", marketplace=None)
@click.option("--flow", type=FLOWS, required=True)
@click.option("--reason", type=TEXT, required=True, help="The reason; stored in the history.")
async def resume(session: Session, *, flow: str, reason: str) -> Answer:
    """Resume a flow."""
    return await _change(session, ResumeFlowRequest(flow=_flow(flow), reason=reason))


@asking(
    "limits",
    about="List the flows of money, or limit one per day.",
    marketplace=None,
)
@click.option("--flow", type=FLOWS, help="The flow to limit; without it, all are listed.")
@click.option("--amount", type=_Amount(), help=f"USDC per day (UTC), or {NO_LIMIT}.")
@click.option("--reason", default="", help="The reason; stored in the history.")
async def limits(
    session: Session, *, flow: str | None, amount: str | int | None, reason: str
) -> Answer:
    """Set the daily limit of a flow if one is given, and list the flows of each marketplace."""
    if flow is None:
        request = ListFlowsRequest()
        return _said(
            [(one, await session.operator(one).flows(request)) for one in session.marketplaces]
        )
    if amount is None or not reason.strip():
        raise click.UsageError("a limit needs --amount and --reason")
    limit = LimitFlowRequest(flow=_flow(flow), reason=reason)
    if isinstance(amount, int):
        limit.daily_limit.CopyFrom(Money(asset=USDC, minor_units=amount))
    return await _change(session, limit)


async def _change(session: Session, request: Request) -> Answer:
    request.all_marketplaces = session.is_all
    asked = [EVERYBODY] if session.is_all else session.marketplaces
    return _said([(one, await session.operator(one).flows(request)) for one in asked])


def _said(found: Found) -> Answer:
    return Answer(
        lines=[line for marketplace, report in found for line in _lines(marketplace, report)],
        document={"marketplaces": [_document(*each) for each in found]},
    )


def _lines(marketplace: Named, report: FlowReport) -> list[str]:
    lines = []
    for state in report.flows:
        limit = to_text(state.daily_limit.minor_units) if state.HasField("daily_limit") else "none"
        lines.append(
            f"{marketplace.label}  {_name(state):9}"
            f"  {'STOPPED' if state.is_stopped else 'running'}  limit {limit}"
            f"  today {to_text(state.used_today.minor_units)}"
        )
    for line in report.history:
        whose = "all" if line.all_marketplaces else marketplace.label
        lines.append(
            f"  {line.at.ToJsonString()}  {_kind(line)} {_name(line)} of {whose}, "
            f"{line.by}: {line.reason}"
        )
    return lines


def _document(marketplace: Named, report: FlowReport) -> dict[str, object]:
    return {
        "marketplace": marketplace.label,
        "flows": [
            {
                "flow": _name(state),
                "isStopped": state.is_stopped,
                "dailyLimitMinorUnits": (
                    state.daily_limit.minor_units if state.HasField("daily_limit") else None
                ),
                "usedTodayMinorUnits": state.used_today.minor_units,
            }
            for state in report.flows
        ],
        "history": [
            {
                "at": line.at.ToJsonString(),
                "change": _kind(line),
                "flow": _name(line),
                "isOfAll": line.all_marketplaces,
                "by": line.by,
                "reason": line.reason,
            }
            for line in report.history
        ],
    }


def _flow(name: str) -> str:
    return f"FLOW_{name.upper()}"


def _name(found: FlowState | FlowChange) -> str:
    return Flow.Name(found.flow).removeprefix("FLOW_").lower()


def _kind(line: FlowChange) -> str:
    return FlowChangeKind.Name(line.change).removeprefix("FLOW_CHANGE_KIND_").lower()
