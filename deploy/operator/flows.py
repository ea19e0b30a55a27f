"""`stop`, `resume`, `limits`: hold a flow of money, let it go on, limit it by the day, or list all.

What is signed already is settled; what is asked for meanwhile waits, and goes on by itself.
"""

import argparse
import uuid
from decimal import Decimal, InvalidOperation

from orchestrator.common.v1.common_pb2 import Money
from orchestrator.escrow.v1.escrow_pb2 import (
    Flow,
    FlowChangeKind,
    FlowReport,
    LimitFlowRequest,
    ListFlowsRequest,
    ResumeFlowRequest,
    StopFlowRequest,
)

from deploy.operator.marketplaces import ALL, LIVE, Named
from deploy.operator.session import Session
from kernel.money import UNIT, USDC, to_text

FLOWS = ("funding", "releases", "refunds", "payments")
NO_LIMIT = "none"
# Whoever asks for all asks as nobody in particular.
EVERYBODY = Named(id=uuid.UUID(int=0), name=ALL, environment=LIVE)
Request = StopFlowRequest | ResumeFlowRequest | LimitFlowRequest


def add_change(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `stop` and `resume`."""
    parser.add_argument("--flow", choices=FLOWS, required=True)
    parser.add_argument("--reason", required=True, help="why, for the history")


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `limits`."""
    parser.add_argument("--flow", choices=FLOWS, help="which to limit; else all are listed")
    parser.add_argument("--amount", type=_amount, help=f"USDC a day of UTC, or {NO_LIMIT}")
    parser.add_argument("--reason", default="", help="why, for the history")


async def stop(session: Session, arguments: argparse.Namespace) -> int:
    """Stop a flow; it holds when this returns."""
    request = StopFlowRequest(flow=_flow(arguments), reason=arguments.reason)
    return await _change(session, arguments, request)


async def resume(session: Session, arguments: argparse.Namespace) -> int:
    """Let a flow go on."""
    request = ResumeFlowRequest(flow=_flow(arguments), reason=arguments.reason)
    return await _change(session, arguments, request)


async def limits(session: Session, arguments: argparse.Namespace) -> int:
    """Limit a flow where that is asked, else list the flows of each marketplace."""
    if arguments.flow is None:
        for marketplace in session.marketplaces:
            _show(marketplace, await session.operator(marketplace).flows(ListFlowsRequest()))
        return 0
    if arguments.amount is None or not arguments.reason.strip():
        arguments.parser.error("a limit needs --amount and --reason")
    request = LimitFlowRequest(flow=_flow(arguments), reason=arguments.reason)
    if arguments.amount != NO_LIMIT:
        request.daily_limit.CopyFrom(Money(asset=USDC, minor_units=arguments.amount))
    return await _change(session, arguments, request)


async def _change(session: Session, arguments: argparse.Namespace, request: Request) -> int:
    request.all_marketplaces = arguments.marketplace == ALL
    asked = [EVERYBODY] if request.all_marketplaces else session.marketplaces
    for marketplace in asked:
        _show(marketplace, await session.operator(marketplace).flows(request))
    return 0


def _show(marketplace: Named, report: FlowReport) -> None:
    for state in report.flows:
        limit = to_text(state.daily_limit.minor_units) if state.HasField("daily_limit") else "none"
        print(
            f"{marketplace.label}  {Flow.Name(state.flow).removeprefix('FLOW_').lower():9}"
            f"  {'STOPPED' if state.is_stopped else 'goes on'}  limit {limit}"
            f"  today {to_text(state.used_today.minor_units)}"
        )
    for line in report.history:
        whose = "all" if line.all_marketplaces else marketplace.label
        change = FlowChangeKind.Name(line.change).removeprefix("FLOW_CHANGE_KIND_").lower()
        flow = Flow.Name(line.flow).removeprefix("FLOW_").lower()
        print(f"  {line.at.ToJsonString()}  {change} {flow} of {whose}, {line.by}: {line.reason}")


def _flow(arguments: argparse.Namespace) -> str:
    return f"FLOW_{arguments.flow.upper()}"


def _amount(text: str) -> int | str:
    """Read an amount of USDC as minor units, or that there is none."""
    if text == NO_LIMIT:
        return text
    try:
        units = Decimal(text) * UNIT
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount") from None
    if not units.is_finite() or units < 0 or units % 1 or units >= 1 << 63:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of USDC")
    return int(units)
