"""`marketplaces`: list the marketplaces of a deployment."""

import click

from deploy.operator.answers import Answer
from deploy.operator.command import doing
from deploy.operator.marketplaces import ALL, chosen
from deploy.operator.settings import Place


@doing("marketplaces", about="List the marketplaces of a deployment.")
@click.option("--marketplace", default=ALL, show_default=True, help="A name, name:test or UUID.")
def command(place: Place, *, marketplace: str) -> Answer:
    """List marketplaces. Raises: NoPlaceError; NoSuchMarketplaceError; psycopg.Error."""
    place.require_database()
    found = chosen(marketplace, database_url=place.database_url)
    return Answer(
        lines=[f"{one.id}  {one.label}" for one in found],
        document={
            "marketplaces": [
                {"id": str(one.id), "name": one.name, "environment": one.environment}
                for one in found
            ]
        },
    )
