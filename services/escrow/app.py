"""The assembly of escrow: only this module and `parts` build its objects."""

import asyncio
from functools import partial

from chassis.bus import Bus
from chassis.runner import App
from chassis.signature import EventSigner
from services.escrow import wire
from services.escrow.deposits.foreign_store import ForeignChanges
from services.escrow.measures import MEASURES
from services.escrow.operating.attention import Attention
from services.escrow.operating.by_rule import RedirectsByRule
from services.escrow.operating.controls import Controls
from services.escrow.operating.redirect_store import RedirectStore
from services.escrow.operating.redirects import Redirects
from services.escrow.parts import NAME, Parts
from services.escrow.redirecting import Redirecting
from services.escrow.servicer import binding
from services.escrow.settings import EscrowSettings
from services.escrow.wallets.idle import IdleWallets
from services.escrow.wallets.vault_transit import VaultTransitKeyProvider


async def build(settings: EscrowSettings) -> App:
    """Build the service; nothing is connected yet."""
    return House(settings).app()


class House(Parts):
    """The service: its parts, and the tasks that it runs."""

    def app(self) -> App:
        """Assemble the service."""
        return App(
            name=NAME,
            settings=self.settings,
            binding=binding(
                escrows=self.escrows(),
                wallets=self.wallets(),
                queries=self.queries(),
                attention=self.attention(),
                network=self.network(),
                rulings=self.rulings(),
                redirects=Redirecting(operators=self.redirects(), by_rule=self.by_rule()),
                controls=self.controls(),
                rewrapping=self.rewrapping,
            ),
            database=self.database,
            bus=Bus(
                url=self.settings.nats_url,
                name=NAME,
                limits=self.settings.stream_limits,
                silence_seconds=self.settings.silence_seconds,
                authority=self.settings.nats_ca_file,
            ),
            signer=EventSigner(self.settings.event_signing_key.get_secret_value()),
            before_ready=[self.ensure_platform],
            measures=MEASURES,
            background={
                "work": self.work,
                "watch": self.watch,
                "ends": self.ends.watch,
                "purge": partial(self.idempotency.keep_purged, self.database),
            },
            stop_waiting=[self.ends.stop],
            close=[self.close],
        )

    def redirects(self) -> Redirects:
        """Build what lets two operators redirect a payout."""
        return Redirects(
            database=self.database,
            store=self.store,
            redirects=RedirectStore(),
            destinations=self.destinations,
            chain=self.chain,
            provider=self.settings.trustless_work_fee_address,
        )

    def by_rule(self) -> RedirectsByRule:
        """Build what lets a marketplace redirect a payout by its rule."""
        return RedirectsByRule(
            database=self.database,
            idempotency=self.idempotency,
            store=self.store,
            wallets=self.wallet_store,
            deposits=self.deposits,
            rows=RedirectStore(),
            redirects=self.redirects(),
            rulings=self.rulings(),
            chain=self.chain,
            ended=self.queries().command,
            encode=wire.encode_redirect,
        )

    def attention(self) -> Attention:
        """Build the use cases for commands that need an operator's attention."""
        return Attention(
            database=self.database,
            store=self.store,
            progress=self.progress,
            landings=self.landings,
            deposits=self.deposits,
            foreign=ForeignChanges(),
            bell=self.bell,
            asset_contract=self.asset_contract,
        )

    def controls(self) -> Controls:
        """Build the operators' controls of the flows of money."""
        return Controls(database=self.database, flows=self.flows, bell=self.bell)

    def idle(self) -> IdleWallets:
        """Build what merges idle wallets."""
        return IdleWallets(
            database=self.database,
            store=self.store,
            wallets=self.wallet_store,
            waking=self.waking(),
            chain=self.chain,
            bell=self.bell,
            clock=self.clock,
            days=self.settings.wallet_idle_days,
        )

    async def close(self) -> None:
        """Close the connections to the network and to the key provider."""
        await self.builder.close()
        await self.chain.close()
        if isinstance(self.keys, VaultTransitKeyProvider):
            await self.keys.close()

    async def ensure_platform(self) -> None:
        """Store the platform's keys. No contract address is published before that."""
        secret = self.settings.platform_secret.get_secret_value() or None
        resolver = self.settings.resolver_secret.get_secret_value() or None
        await self.keyring.ensure_platform(secret=secret, resolver=resolver)

    async def work(self) -> None:
        """Prepare the chain, then carry out commands until cancelled."""
        await self.ensure_platform()
        await self.bootstrap().run()
        await self.recovery.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.worker().run())
            group.create_task(self.recovery.keep())
            group.create_task(self.bootstrap().keep())
            group.create_task(self.idle().keep())

    async def watch(self) -> None:
        """Watch for deposits until cancelled."""
        await self.ensure_platform()
        await self.watcher(platform=(await self.keyring.platform()).address).run()
