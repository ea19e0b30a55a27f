// The tutorials of the JavaScript SDK, on a devnet: accounts, airdrop, trustline, payments, events,
// and the life of a contract. Arguments: the package's name, the devnet's URL.
import assert from "node:assert/strict";

const [name, url] = process.argv.slice(2);
const sdk = await import(name);
const { Asset, BASE_FEE, Contract, Keypair, Operation, TransactionBuilder, nativeToScVal } = sdk;
const server = new sdk.rpc.Server(`${url}/rpc`, { allowHttp: true });
const info = await (await fetch(`${url}/network-info`)).json();
const usdc = new Asset(info.assetCode, info.usdcIssuer);

const address = (text) => nativeToScVal(text, { type: "address" });
const i128 = (number) => nativeToScVal(number, { type: "i128" });

async function builder(keypair) {
  const account = await server.getAccount(keypair.publicKey());
  return new TransactionBuilder(account, {
    fee: BASE_FEE,
    networkPassphrase: info.networkPassphrase,
  }).setTimeout(60);
}

async function land(transaction, ...signers) {
  for (const signer of signers) transaction.sign(signer);
  const sent = await server.sendTransaction(transaction);
  assert.equal(sent.status, "PENDING", JSON.stringify(sent));
  const done = await server.pollTransaction(sent.hash, { attempts: 60, sleepStrategy: () => 100 });
  assert.equal(done.status, "SUCCESS", JSON.stringify(done));
  return done;
}

async function send(keypair, ...operations) {
  const draft = await builder(keypair);
  for (const operation of operations) draft.addOperation(operation);
  return land(draft.build(), keypair);
}

async function call(keypair, contract, fn, ...args) {
  const draft = (await builder(keypair)).addOperation(new Contract(contract).call(fn, ...args));
  return land(await server.prepareTransaction(draft.build()), keypair);
}

// The network.
assert.equal((await server.getHealth()).status, "healthy");
assert.equal((await server.getNetwork()).passphrase, info.networkPassphrase);
assert.ok((await server.getLatestLedger()).sequence > 1);
assert.ok(Number((await server.getFeeStats()).sorobanInclusionFee.ledgerCount) >= 0);
assert.ok((await server.getVersionInfo()).version);

// Accounts and airdrop.
const [alice, bob, carol] = [Keypair.random(), Keypair.random(), Keypair.random()];
const airdropped = await server.requestAirdrop(alice.publicKey());
assert.equal(airdropped.accountId(), alice.publicKey());
await server.requestAirdrop(bob.publicKey());
await send(
  alice,
  Operation.createAccount({ destination: carol.publicKey(), startingBalance: "20" }),
);
assert.equal((await server.getAccount(carol.publicKey())).accountId(), carol.publicKey());

// Trustlines and payments.
const first = (await server.getLatestLedger()).sequence;
await send(alice, Operation.changeTrust({ asset: usdc }));
await send(bob, Operation.changeTrust({ asset: usdc }));
await fetch(`${url}/faucet`, {
  method: "POST",
  body: JSON.stringify({ address: alice.publicKey(), amount: "100" }),
});
await send(
  alice,
  Operation.payment({ destination: bob.publicKey(), asset: usdc, amount: "12.5" }),
);
await send(carol, Operation.manageData({ name: "colour", value: "blue" }));
await send(carol, Operation.manageData({ name: "colour", value: null }));
await send(carol, Operation.setOptions({ homeDomain: "example.com" }));
await send(carol, Operation.accountMerge({ destination: alice.publicKey() }));
await assert.rejects(server.getAccount(carol.publicKey()));

// A contract: simulated, called, watched, extended.
const token = info.assetContractId;
const asked = (await builder(alice))
  .addOperation(new Contract(token).call("balance", address(alice.publicKey())))
  .build();
const simulated = await server.simulateTransaction(asked);
assert.ok(sdk.rpc.Api.isSimulationSuccess(simulated), JSON.stringify(simulated));
assert.equal(sdk.scValToNative(simulated.result.retval), 875000000n);
const moved = await call(
  alice,
  token,
  "transfer",
  address(alice.publicKey()),
  address(bob.publicKey()),
  i128(75000000n),
);
assert.ok(moved.returnValue !== undefined);
const topic = nativeToScVal("transfer", { type: "symbol" }).toXDR("base64");
const events = await server.getEvents({
  startLedger: first,
  filters: [{ type: "contract", contractIds: [token], topics: [[topic, "**"]] }],
});
const amounts = events.events.map((event) => sdk.scValToNative(event.value));
assert.deepEqual(amounts.slice(-2), [125000000n, 75000000n]);
const instance = new Contract(token).getFootprint();
const extended = (await builder(alice))
  .addOperation(Operation.extendFootprintTtl({ extendTo: 3_000_000 }))
  .setSorobanData(new sdk.SorobanDataBuilder().setReadOnly([instance]).build())
  .build();
await land(await server.prepareTransaction(extended), alice);
const entries = await server.getLedgerEntries(instance);
assert.ok(entries.entries[0].liveUntilLedgerSeq > 3_000_000);
const refused = await server.simulateTransaction(
  (await builder(alice)).addOperation(new Contract(token).call("nothing")).build(),
);
assert.ok(sdk.rpc.Api.isSimulationError(refused));

// A fee bump, and whole ledgers.
const inner = (await builder(bob))
  .addOperation(Operation.payment({ destination: alice.publicKey(), asset: usdc, amount: "1" }))
  .build();
inner.sign(bob);
const bump = TransactionBuilder.buildFeeBumpTransaction(
  alice,
  "1000",
  inner,
  info.networkPassphrase,
);
await land(bump, alice);
const page = await server.getTransactions({ startLedger: first, pagination: { limit: 5 } });
assert.equal(page.transactions.length, 5);
const ledgers = await server.getLedgers({ startLedger: first, pagination: { limit: 3 } });
assert.equal(ledgers.ledgers.length, 3);
console.log(`${name}: works`);
