"""Every field rule of every contract: a message that breaks it is refused and nothing is written.

Generated from the descriptors: a rule added to a .proto is tested by being there.
"""

import protovalidate
import pytest
from google.protobuf.descriptor import MethodDescriptor

from kernel.errors import InvalidArgument
from tests.contract.builders import VALID
from tests.contract.city import WAYS, City, Way
from tests.contract.descriptors import METHODS, label
from tests.contract.rules import Violation, violations

RULES = [
    pytest.param(name, method, violation, id=f"{name}-{method.name}-{violation}")
    for name, method in METHODS
    for violation in violations(method.input_type)
]


def test_every_rpc_has_a_valid_request() -> None:
    written = {(name, method) for name, methods in VALID.items() for method in methods}

    assert written == {(name, method.name) for name, method in METHODS}


@pytest.mark.parametrize(("name", "method"), METHODS, ids=label)
def test_a_valid_request_breaks_no_rule(name: str, method: MethodDescriptor) -> None:
    request = VALID[name][method.name]()

    assert request.DESCRIPTOR is method.input_type
    assert protovalidate.collect_violations(request) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "method", "violation"), RULES)
async def test_a_broken_rule_is_refused_by_name(
    city: City, name: str, method: MethodDescriptor, violation: Violation, way: Way
) -> None:
    served = await city.get(name)
    client = served.client(way)
    request = VALID[name][method.name]()
    violation.change(request)

    with pytest.raises(InvalidArgument) as refusal:
        await client.call(method.name, request, caller=served.caller(method.name))

    assert violation.path in [path for path, _ in refusal.value.fields]
    assert refusal.value.reason == "VALIDATION_ERROR"
    assert city.rows(client.marketplace_id) == {}
