"""A message that violates a field rule of a contract is refused, and nothing is written.

The tests are generated from the descriptors, so a new rule in a .proto is tested.
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
def test_valid_request_satisfies_all_rules(name: str, method: MethodDescriptor) -> None:
    request = VALID[name][method.name]()

    assert request.DESCRIPTOR is method.input_type
    assert protovalidate.collect_violations(request) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "method", "violation"), RULES)
async def test_violated_rule_is_refused_with_the_field_name(
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
