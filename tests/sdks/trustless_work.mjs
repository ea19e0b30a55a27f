// The life of an escrow through Trustless Work's own client, on a devnet. Argument: its URL.
import assert from "node:assert/strict";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { Asset, Keypair, Operation, TransactionBuilder, rpc } from "@stellar/stellar-sdk";
import * as trustlessWork from "@trustless-work/escrow";

const [url] = process.argv.slice(2);
const info = await (await fetch(`${url}/network-info`)).json();
const server = new rpc.Server(`${url}/rpc`, { allowHttp: true });
const usdc = new Asset(info.assetCode, info.usdcIssuer);

// The client is a set of React hooks: one rendering hands out its functions.
const client = {};
function Page() {
  for (const [name, hook] of Object.entries(trustlessWork)) {
    if (name.startsWith("use")) Object.assign(client, hook());
  }
  return null;
}
renderToString(
  createElement(
    trustlessWork.TrustlessWorkConfig,
    { baseURL: url, apiKey: "devnet-key" },
    createElement(Page),
  ),
);

async function holder(amount) {
  const keypair = Keypair.random();
  const account = await server.requestAirdrop(keypair.publicKey());
  const options = { fee: "100", networkPassphrase: info.networkPassphrase };
  const trust = new TransactionBuilder(account, options)
    .addOperation(Operation.changeTrust({ asset: usdc }))
    .setTimeout(60)
    .build();
  trust.sign(keypair);
  const sent = await server.sendTransaction(trust);
  await server.pollTransaction(sent.hash, { attempts: 60, sleepStrategy: () => 100 });
  if (amount) {
    const body = JSON.stringify({ address: keypair.publicKey(), amount });
    await fetch(`${url}/faucet`, { method: "POST", body });
  }
  return keypair;
}

async function sign(answer, keypair) {
  assert.equal(answer.status, "SUCCESS", JSON.stringify(answer));
  const transaction = TransactionBuilder.fromXDR(
    answer.unsignedTransaction,
    info.networkPassphrase,
  );
  transaction.sign(keypair);
  const sent = await client.sendTransaction(transaction.toXDR());
  assert.equal(sent.status, "SUCCESS", JSON.stringify(sent));
  return sent;
}

const [buyer, seller, platform, resolver] = await Promise.all([
  holder("200"),
  holder(),
  holder(),
  holder(),
]);
const kind = "single-release";

async function deployed() {
  const payload = {
    signer: platform.publicKey(),
    engagementId: "ord_1",
    title: "Logo",
    description: "Logo design",
    roles: {
      approver: buyer.publicKey(),
      serviceProvider: seller.publicKey(),
      platformAddress: platform.publicKey(),
      releaseSigner: buyer.publicKey(),
      disputeResolver: resolver.publicKey(),
      receiver: seller.publicKey(),
    },
    amount: 80,
    platformFee: 5,
    milestones: [{ description: "work" }],
    trustline: { address: info.usdcIssuer, symbol: "USDC" },
  };
  const { contractId } = await sign(await client.deployEscrow(payload, kind), platform);
  const funding = { contractId, signer: buyer.publicKey(), amount: 80 };
  await sign(await client.fundEscrow(funding, kind), buyer);
  return contractId;
}

// Released.
const contractId = await deployed();
const status = {
  contractId,
  milestoneIndex: "0",
  newStatus: "completed",
  serviceProvider: seller.publicKey(),
};
await sign(await client.changeMilestoneStatus(status, kind), seller);
const approval = { contractId, milestoneIndex: "0", approver: buyer.publicKey() };
await sign(await client.approveMilestone(approval, kind), buyer);
const release = { contractId, releaseSigner: buyer.publicKey() };
await sign(await client.releaseFunds(release, kind), buyer);
const [found] = await client.getEscrowByContractIds({ contractIds: [contractId] });
assert.equal(found.flags.released, true);
const [held] = await client.getMultipleBalances({ addresses: [contractId] });
assert.equal(held.balance, 0);

// Disputed and resolved.
const other = await deployed();
const dispute = { contractId: other, signer: seller.publicKey() };
await sign(await client.startDispute(dispute, kind), seller);
const resolution = {
  contractId: other,
  disputeResolver: resolver.publicKey(),
  distributions: [
    { address: buyer.publicKey(), amount: 40 },
    { address: seller.publicKey(), amount: 40 },
  ],
};
await sign(await client.resolveDispute(resolution, kind), resolver);
const [resolved] = await client.getEscrowByContractIds({ contractIds: [other] });
assert.equal(resolved.flags.resolved, true);
console.log("@trustless-work/escrow: works");
