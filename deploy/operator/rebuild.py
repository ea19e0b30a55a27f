"""`rebuild-stream`: publish every event again on a new stream.

The events come from the outbox tables. It needs DATABASE_URL and NATS_URL of administrators; for
the embedded stack it finds both. Consumers skip events that they have handled before.
"""

import asyncio

from nats.errors import Error as NatsError

from chassis.rebuild import rebuild
from chassis.settings import StreamSettings
from chassis.settings import load as load_settings
from deploy.operator.answers import Answer
from deploy.operator.command import doing
from deploy.operator.settings import Place
from deploy.operator.trail import keep
from kernel.errors import Unavailable


@doing("rebuild-stream", about=__doc__)
def command(place: Place) -> Answer:
    """Rebuild the stream.

    Raises: NoPlaceError; Unavailable: NATS does not answer; psycopg.Error.
    """
    place.require_database()
    place.require_nats()
    keep(place, "rebuild-stream")
    try:
        count = asyncio.run(
            rebuild(
                database_url=place.database_url,
                nats_url=place.nats_url,
                authority=place.nats_authority,
                limits=load_settings(StreamSettings, program="rebuild").stream_limits,
            )
        )
    except (NatsError, OSError, TimeoutError) as error:
        raise Unavailable(f"NATS does not answer: {type(error).__name__} {error}") from error
    return Answer(lines=[f"{count} events are being published again"], document={"events": count})
