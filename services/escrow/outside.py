"""What the settings say about systems outside: the keys, the network, the provider."""

import sys
from collections.abc import Callable
from pathlib import Path

from kernel.money import UNIT
from services.escrow.ports import StellarOptions, TrustlessWorkOptions
from services.escrow.settings import EscrowSettings
from services.escrow.stellar.nodes import Headers, headers_in, no_headers
from services.escrow.wallets.vault import KeyFileRefused, LocalFileKeyProvider
from services.escrow.wallets.vault_login import GivenToken, KubernetesLogin, VaultLogin
from services.escrow.wallets.vault_transit import VaultTransitKeyProvider


def key_provider(settings: EscrowSettings) -> LocalFileKeyProvider | VaultTransitKeyProvider:
    """Return the provider of the key-encryption key.

    Raises: SystemExit: its file may not be used.
    """
    if settings.vault_url:
        return VaultTransitKeyProvider(
            url=settings.vault_url,
            login=_login(settings),
            key=settings.vault_transit_key,
            mount=settings.vault_transit_mount,
        )
    try:
        return LocalFileKeyProvider.open(Path(settings.key_file), production=settings.env == "prod")
    except KeyFileRefused as refused:
        sys.stderr.write(f"escrow: setting {refused}\n")
        raise SystemExit(2) from None


def _login(settings: EscrowSettings) -> VaultLogin:
    """Return how escrow logs in to Vault. Raises: SystemExit: the file holds no token."""
    if settings.vault_kubernetes_role:
        return KubernetesLogin(
            url=settings.vault_url,
            mount=settings.vault_kubernetes_mount,
            role=settings.vault_kubernetes_role,
            account_file=settings.vault_account_file,
        )
    if settings.vault_token_file is None:
        return GivenToken(lambda: settings.vault_token)
    try:
        return GivenToken.in_file(settings.vault_token_file)
    except (OSError, ValueError):
        sys.stderr.write("escrow: setting VAULT_TOKEN_FILE: holds no token\n")
        raise SystemExit(2) from None


def stellar_options(settings: EscrowSettings) -> StellarOptions:
    """Return which network, asset and contracts are used, and what may be spent."""
    return StellarOptions(
        rpc_url=settings.stellar_rpc_url,
        spare_rpc_urls=tuple(filter(None, settings.stellar_rpc_spare_urls.split(","))),
        rpc_headers=_rpc_headers(settings),
        network_passphrase=settings.stellar_network_passphrase,
        asset_issuer=settings.usdc_issuer,
        factory=settings.factories[0],
        spare_factories=settings.factories[1:],
        wasm_hash=settings.escrow_wasm_hash,
        profiles=settings.builds,
        provider_fee_address=settings.trustless_work_fee_address,
        max_fee=settings.escrow_max_fee_lumens * UNIT,
        inclusion_fee_max=settings.escrow_max_bid_stroops,
        classic_fee_max=settings.escrow_max_classic_bid_stroops,
        friendbot_url=settings.stellar_friendbot_url,
        faucet_url=settings.stellar_faucet_url,
    )


def _rpc_headers(settings: EscrowSettings) -> Callable[[], Headers]:
    """Return the HTTP headers that nodes require. Raises: SystemExit: the file is not readable."""
    if settings.stellar_rpc_headers_file is None:
        return no_headers
    try:
        return headers_in(settings.stellar_rpc_headers_file)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"escrow: setting STELLAR_RPC_HEADERS_FILE: {error}\n")
        raise SystemExit(2) from None


def trustless_work_options(settings: EscrowSettings) -> TrustlessWorkOptions | None:
    """Return the options of the provider's REST API; None: envelopes are built directly."""
    if settings.escrow_builder == "direct":
        return None
    return TrustlessWorkOptions(
        url=settings.trustless_work_url,
        api_key=settings.trustless_work_api_key.get_secret_value(),
    )
