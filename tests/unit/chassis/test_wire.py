"""Values on the wire: both ways without loss. Any forged page token is refused cleanly."""

import base64
import contextlib
import datetime as dt
import uuid

import pytest
from google.protobuf import timestamp_pb2
from hypothesis import given
from hypothesis import strategies as st
from orchestrator.common.v1 import common_pb2

from chassis import wire
from kernel.errors import InvalidArgument
from kernel.money import Money

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
BIGINT = st.integers(min_value=-(2**63), max_value=2**63 - 1)


@given(st.sampled_from(["USDC", "EURC"]), BIGINT)
def test_an_amount_comes_back_the_same(asset: str, minor_units: int) -> None:
    money = Money(asset=asset, minor_units=minor_units)

    assert wire.money_from_proto(wire.money_to_proto(money)) == money


@given(st.integers(min_value=0, max_value=10**16).map(lambda us: EPOCH + us * MICROSECOND))
def test_an_instant_comes_back_the_same_in_utc(at: dt.datetime) -> None:
    message = wire.instant_to_proto(at)

    assert message is not None
    assert wire.instant_from_proto(message) == at
    assert wire.instant_from_proto(message).tzinfo is dt.UTC


@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_every_instant_is_encoded_as_by_protobuf(at: dt.datetime) -> None:
    theirs = timestamp_pb2.Timestamp()
    theirs.FromDatetime(at)

    assert wire.instant_to_proto(at) == theirs


def test_an_instant_in_another_time_zone_is_the_same_instant() -> None:
    zone = dt.timezone(dt.timedelta(hours=-3))
    message = wire.instant_to_proto(dt.datetime(2026, 2, 18, 7, tzinfo=zone))

    assert message is not None
    assert wire.instant_from_proto(message) == dt.datetime(2026, 2, 18, 10, tzinfo=dt.UTC)


def test_no_instant_stays_unset() -> None:
    assert wire.instant_to_proto(None) is None


def test_a_page_has_twenty_rows_by_default() -> None:
    assert wire.page_size(common_pb2.PageRequest()) == 20
    assert wire.page_size(common_pb2.PageRequest(page_size=7)) == 7


@given(st.uuids())
def test_a_token_of_an_id_is_read_back(after: uuid.UUID) -> None:
    assert wire.uuid_from_token(wire.page_token(after)) == after


@given(st.integers(min_value=0, max_value=10**18 - 1))
def test_a_token_of_a_row_number_is_read_back(after: int) -> None:
    assert wire.number_from_token(wire.page_token(after)) == after


def test_tokens_need_no_escaping_in_a_url() -> None:
    assert wire.page_token(uuid.UUID(int=2**128 - 1)).replace("-", "").replace("_", "").isalnum()


def test_the_first_page_has_no_token() -> None:
    assert wire.uuid_from_token("") is None
    assert wire.number_from_token("") is None


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


FORGED = [
    "x",
    "not a token",
    "====",
    "AAAA\n",
    "\u00e9",
    "\uff21\uff21\uff21\uff21",
    "\ud800",
    encoded("-1"),
    encoded("1.5"),
    encoded("1e9"),
    encoded("\u0661\u0662"),
    encoded("9" * 19),
    encoded("' or 1=1"),
    base64.urlsafe_b64encode(b"\xff\xfe").decode().rstrip("="),
]


@pytest.mark.parametrize("token", FORGED)
def test_a_forged_token_is_refused_by_field(token: str) -> None:
    for read in (wire.uuid_from_token, wire.number_from_token):
        with pytest.raises(InvalidArgument) as refused:
            read(token)
        assert [name for name, _ in refused.value.fields] == ["cursor"]


@given(st.text(max_size=40))
def test_any_text_as_a_token_is_refused(token: str) -> None:
    for read in (wire.uuid_from_token, wire.number_from_token):
        with contextlib.suppress(InvalidArgument):
            read(token)
