"""The parts of the service: stores, use cases, and the worker's loops."""

from chassis.database import Database
from chassis.idempotency import Idempotency
from chassis.relay import CONNECTIONS as RELAY_CONNECTIONS
from chassis.waiting import Bell
from kernel.clock import SystemClock
from kernel.money import UNIT
from services.escrow import wire
from services.escrow.commands.acceptance import Acceptance
from services.escrow.commands.own_worker import OwnWorker
from services.escrow.commands.store import CommandStore
from services.escrow.commands.waiting import ends
from services.escrow.deposits.store import Deposits
from services.escrow.deposits.watcher import Watched, Watcher
from services.escrow.operating.network import Expected, NetworkChecks
from services.escrow.operating.rulings import Rulings
from services.escrow.outside import key_provider, stellar_options, trustless_work_options
from services.escrow.queries import NAMES, Network, Queries
from services.escrow.sending.abandonment import Abandonment
from services.escrow.sending.bootstrap import CONNECTIONS as BOOTSTRAP_CONNECTIONS
from services.escrow.sending.bootstrap import Bootstrap, Plan
from services.escrow.sending.channels import Channels
from services.escrow.sending.decide import Decider
from services.escrow.sending.endings import Endings
from services.escrow.sending.flow_store import FlowStore
from services.escrow.sending.journal import Journal
from services.escrow.sending.landing import Landing
from services.escrow.sending.landings import Landings
from services.escrow.sending.lifetimes import Keeper
from services.escrow.sending.loading import Loader
from services.escrow.sending.patience import Patience
from services.escrow.sending.pipeline import Pipeline
from services.escrow.sending.place_store import PlaceStore
from services.escrow.sending.places import Places
from services.escrow.sending.platform_sender import PlatformSender
from services.escrow.sending.progress import Progress
from services.escrow.sending.recognise import Recogniser
from services.escrow.sending.recovery import Recovery
from services.escrow.sending.sender import Pace, Sender
from services.escrow.sending.worker import Capacity, Worker
from services.escrow.service import Contracts, EscrowService
from services.escrow.settings import EscrowSettings
from services.escrow.stellar.asset import asset_contract
from services.escrow.stellar.connect import connect
from services.escrow.wallets.accounts import Accounts
from services.escrow.wallets.destinations import Destinations
from services.escrow.wallets.holders import Holders
from services.escrow.wallets.keyring import Keyring
from services.escrow.wallets.rewrapping import Rewrapping
from services.escrow.wallets.seals import Seals
from services.escrow.wallets.service import WalletService
from services.escrow.wallets.store import WalletStore
from services.escrow.wallets.vault import Vault
from services.escrow.wallets.waking import Waking

NAME = "escrow"


class Parts:
    """The service's objects. Each is built once, after the objects that it needs."""

    def __init__(self, settings: EscrowSettings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.database = Database.open(
            url=settings.database_url,
            schema=NAME,
            pool_size=settings.database_pool_size,
            beside=RELAY_CONNECTIONS + BOOTSTRAP_CONNECTIONS,
            silence_seconds=settings.silence_seconds,
            is_planned_once=True,
        )
        self.store = CommandStore()
        self.wallet_store = WalletStore()
        self.accounts, self.deposits = Accounts(), Deposits()
        self.journal = Journal()
        self.landings, self.progress = Landings(), Progress()
        self.flows, self.idempotency = FlowStore(), Idempotency()
        self.ends = ends(self.database, self.store)
        self.bell, self.own_worker = Bell(), OwnWorker()
        self.keys = key_provider(settings)
        vault = Vault(provider=self.keys)
        self.rewrapping = Rewrapping(database=self.database, seals=Seals(), vault=vault)
        self.keyring = Keyring(vault=vault, accounts=self.accounts, database=self.database)
        options, provider = stellar_options(settings), trustless_work_options(settings)
        self.asset_contract = asset_contract(options)
        self.chain, self.builder = connect(options, trustless_work=provider)
        self.destinations = Destinations(
            database=self.database, chain=self.chain, issuer=settings.usdc_issuer
        )
        self.recovery = Recovery(
            database=self.database,
            landings=self.landings,
            progress=self.progress,
            chain=self.chain,
            bell=self.bell,
        )
        self.acceptance = Acceptance(
            database=self.database,
            store=self.store,
            idempotency=self.idempotency,
            own_worker=self.own_worker,
            bell=self.bell,
            clock=self.clock,
            encode=wire.encode_command,
        )
        self.places = Places(
            database=self.database,
            store=PlaceStore(),
            journal=self.journal,
            chain=self.chain,
            keyring=self.keyring,
            factories=self.settings.factories,
        )
        self.loader = Loader(
            store=self.store,
            wallets=self.wallet_store,
            journal=self.journal,
            keyring=self.keyring,
            provider_fee_address=self.settings.trustless_work_fee_address,
        )

    def escrows(self) -> EscrowService:
        """Build the use cases of escrows."""
        return EscrowService(
            acceptance=self.acceptance,
            store=self.store,
            wallets=self.wallet_store,
            keyring=self.keyring,
            chain=self.chain,
            clock=self.clock,
            contracts=Contracts(
                factory=self.settings.factories[0],
                wasm_hash=self.settings.escrow_wasm_hash,
                provider_fee_address=self.settings.trustless_work_fee_address,
                are_fees_absorbed=self.settings.provider_fees == "absorbed",
            ),
        )

    def wallets(self) -> WalletService:
        """Build the use cases of wallets."""
        return WalletService(
            acceptance=self.acceptance,
            store=self.store,
            wallets=self.wallet_store,
            chain=self.chain,
            idempotency=self.idempotency,
            waking=self.waking(),
            keyring=self.keyring,
            ends=self.ends,
            bell=self.bell,
            clock=self.clock,
            encode=wire.encode_wallet,
        )

    def waking(self) -> Waking:
        """Build what creates the accounts of merged wallets again."""
        return Waking(
            database=self.database,
            store=self.store,
            wallets=self.wallet_store,
            bell=self.bell,
            clock=self.clock,
        )

    def queries(self) -> Queries:
        """Build the queries."""
        return Queries(
            database=self.database,
            store=self.store,
            wallets=self.wallet_store,
            waking=self.waking(),
            holders=Holders(),
            chain=self.chain,
            destinations=self.destinations,
            keyring=self.keyring,
            ends=self.ends,
            network=Network(
                passphrase=self.settings.stellar_network_passphrase,
                asset_issuer=self.settings.usdc_issuer,
                asset_contract=self.asset_contract,
            ),
        )

    def network(self) -> NetworkChecks:
        """Build the checks of the network that are run before a first order."""
        return NetworkChecks(
            chain=self.chain,
            keyring=self.keyring,
            clock=self.clock,
            expected=Expected(
                passphrase=self.settings.stellar_network_passphrase,
                factories=self.settings.factories,
                wasm_hash=self.settings.escrow_wasm_hash,
                is_build_known=(
                    self.settings.is_build_known
                    or self.settings.stellar_network_passphrase not in NAMES
                ),
                asset_contract=self.asset_contract,
                asset_issuer=self.settings.usdc_issuer,
                provider=self.settings.trustless_work_fee_address,
                keep_days=self.settings.escrow_keep_days,
                fee_max=self.settings.escrow_max_fee_lumens * UNIT,
            ),
        )

    def rulings(self) -> Rulings:
        """Build the use cases of an operator's rulings."""
        return Rulings(
            database=self.database,
            store=self.store,
            journal=self.journal,
            progress=self.progress,
            accounts=self.accounts,
            loader=self.loader,
            recogniser=self.recogniser(),
            chain=self.chain,
            recovery=self.recovery,
            bell=self.bell,
        )

    def bootstrap(self) -> Bootstrap:
        """Build what prepares the chain."""
        lumens, dearest = self.settings.channel_lumens, self.settings.escrow_max_fee_lumens
        # One lumen is the reserve. Half of the lumens last longer than the time between two checks.
        least = max(lumens // 2, dearest + 1)
        return Bootstrap(
            database=self.database,
            accounts=self.accounts,
            deposits=self.deposits,
            keyring=self.keyring,
            chain=self.chain,
            sender=self.platform_sender(),
            keeper=self.keeper(),
            plan=Plan(
                channels=self.settings.channel_accounts,
                channel_balance=0 if self.settings.is_bumping else lumens * UNIT,
                channel_least=least * UNIT,
                float_units=self.settings.platform_float_usdc * UNIT,
                asset_contract=self.asset_contract,
            ),
        )

    def platform_sender(self) -> PlatformSender:
        """Build what sends the platform's own transactions."""
        return PlatformSender(
            database=self.database,
            accounts=self.accounts,
            keyring=self.keyring,
            chain=self.chain,
            builder=self.builder,
            poll_seconds=self.settings.chain_poll_seconds,
            transaction_seconds=self.settings.transaction_seconds,
        )

    def keeper(self) -> Keeper:
        """Build what keeps entries from being archived."""
        return Keeper(
            database=self.database,
            places=PlaceStore(),
            chain=self.chain,
            keyring=self.keyring,
            sender=self.platform_sender(),
            factories=self.settings.factories,
            code=self.settings.escrow_wasm_hash,
            days=self.settings.escrow_keep_days,
        )

    def sender(self) -> Sender:
        """Build what signs, stores and sends envelopes."""
        return Sender(
            database=self.database,
            journal=self.journal,
            landings=self.landings,
            flows=self.flows,
            chain=self.chain,
            builder=self.builder,
            keyring=self.keyring,
            is_bumping=self.settings.is_bumping,
            pace=Pace(
                poll_seconds=self.settings.chain_poll_seconds,
                transaction_seconds=self.settings.transaction_seconds,
            ),
        )

    def endings(self) -> Endings:
        """Build what ends commands."""
        return Endings(
            database=self.database,
            store=self.store,
            wallets=self.wallet_store,
            journal=self.journal,
            waking=self.waking(),
            clock=self.clock,
            ends=self.ends,
        )

    def decider(self) -> Decider:
        """Build what decides on steps."""
        return Decider(
            chain=self.chain,
            destinations=self.destinations,
            places=self.places,
            waking=self.waking(),
        )

    def recogniser(self) -> Recogniser:
        """Build what tells which step a landed transaction belongs to."""
        return Recogniser(
            database=self.database,
            journal=self.journal,
            landings=self.landings,
            chain=self.chain,
            decider=self.decider(),
            network=self.settings.stellar_network_passphrase,
        )

    def pipeline(self) -> Pipeline:
        """Build what carries out commands."""
        sender, endings, decider = self.sender(), self.endings(), self.decider()
        # A step waits for a channel account for a quarter of its time, then other commands get its
        # slot in the worker. Waiting for other commands is not a trouble of the command.
        channels = Channels(self.database, self.journal, seconds=self.settings.step_seconds / 4)
        return Pipeline(
            database=self.database,
            journal=self.journal,
            deposits=self.deposits,
            sender=sender,
            channels=channels,
            decider=decider,
            landing=Landing(
                database=self.database,
                journal=self.journal,
                chain=self.chain,
                sender=sender,
                decider=decider,
                endings=endings,
                channels=channels,
            ),
            endings=endings,
            loader=self.loader,
            recogniser=self.recogniser(),
            abandonment=Abandonment(
                database=self.database,
                landings=self.landings,
                chain=self.chain,
                sender=sender,
                recogniser=self.recogniser(),
                decider=decider,
            ),
            recovery=self.recovery,
            patience=Patience(
                database=self.database,
                progress=self.progress,
                chain=self.chain,
                refuse_after_seconds=self.settings.refuse_after_seconds,
            ),
            step_seconds=self.settings.step_seconds,
        )

    def worker(self) -> Worker:
        """Build the worker."""
        return Worker(
            database=self.database,
            journal=self.journal,
            pipeline=self.pipeline(),
            ends=self.ends,
            bell=self.bell,
            own_worker=self.own_worker,
            capacity=Capacity(
                commands=self.settings.commands_at_once,
                lease_seconds=self.settings.command_lease_seconds,
            ),
        )

    def watcher(self, *, platform: str) -> Watcher:
        """Build the watcher."""
        return Watcher(
            database=self.database,
            deposits=self.deposits,
            chain=self.chain,
            clock=self.clock,
            watched=Watched(
                passphrase=self.settings.stellar_network_passphrase,
                asset_contract=self.asset_contract,
                platform=platform,
                poll_seconds=self.settings.chain_poll_seconds,
            ),
        )
