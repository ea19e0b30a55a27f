# Every command of the project. `make` lists them.
#
# Needs: make and Python 3.11. Everything else is installed into .venv from the lock files.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# The operator's command, as `orchestrator` runs where the package is installed.
ASK = $(BIN)/python -m deploy.operator
INSTALLED := .venv/.installed
CODE := kernel chassis services gateway client devnet deploy tools bench tests
# Folders that exist.
PRESENT = $(wildcard $(CODE))

export PYTHONPATH := .:gen
# gRPC's fork handlers break child processes of the tests between fork and exec.
export GRPC_ENABLE_FORK_SUPPORT := 0
# Use the project's environment, even if another one is active.
unexport VIRTUAL_ENV PYTHONHOME
# Test workers and the programs they start share compiled code.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo run token key reader marketplaces marketplace suspense reconcile give-back requeue adopt abandon redirect confirm-chain correct proposals approve reject rebuild-stream test prove prove-faults bench check lint types imports architecture fmt proto proto-check \
	proto-breaking proto-release docs lock clean

##@ Start here

help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Install the locked dependencies into .venv (other commands do it when needed)

demo: $(INSTALLED) ## Run one purchase on a fresh stack, and check the result
	@$(BIN)/python -m deploy.local.demo

run: $(INSTALLED) ## Run the whole stack on this machine until Ctrl-C (RUN_DIR, PORT_BASE)
	@exec $(BIN)/python -m deploy.local

token: $(INSTALLED) ## Print an access token for a user of the running stack: SUB=<uuid> [ROLE=admin|support] [NAME=…]
	@$(BIN)/python -m deploy.local.token --sub "$(SUB)" $(if $(ROLE),--role "$(ROLE)") $(if $(NAME),--name "$(NAME)")

key: $(INSTALLED) ## Create an API key on the running stack: MARKETPLACE=my-shop[:test] [SCOPES=read,write]
	@$(ASK) keys issue --marketplace "$(MARKETPLACE)" $(if $(SCOPES),--scopes "$(SCOPES)")

reader: $(INSTALLED) ## Let a service of yours read events: NAME=my-shop; REMOVE=yes revokes it
	@$(BIN)/python -m deploy.local.reader --name "$(NAME)" $(if $(REMOVE),--remove)

# Options of all operator commands. MARKETPLACE: a name, name:test, a UUID or all.
WHICH = $(or $(MARKETPLACE),$(NAME))
OF = $(if $(WHICH),--marketplace "$(WHICH)") $(if $(OPERATOR),--operator "$(OPERATOR)")

marketplaces: $(INSTALLED) ## List the marketplaces of a deployment
	@$(ASK) marketplaces $(OF)

marketplace: $(INSTALLED) ## Configure a marketplace, or print its settings: MARKETPLACE=demo FEE_BPS=250 …
	@$(ASK) choose $(OF) \
	  $(if $(CREDITS),--credits "$(CREDITS)") $(if $(FEE_BPS),--fee-bps "$(FEE_BPS)") \
	  $(if $(PARTY_FEE_BPS),--party-fee-bps "$(PARTY_FEE_BPS)") \
	  $(if $(AUTO_CONFIRM_DAYS),--auto-confirm-days "$(AUTO_CONFIRM_DAYS)") \
	  $(if $(RESERVATION_DAYS),--reservation-days "$(RESERVATION_DAYS)") \
	  $(if $(FUNDING_DAYS),--funding-days "$(FUNDING_DAYS)") \
	  $(if $(DELIVERY_DAYS),--delivery-days "$(DELIVERY_DAYS)") \
	  $(if $(DECISION_DAYS),--decision-days "$(DECISION_DAYS)") \
	  $(if $(WARNING_HOURS),--warning-hours "$(WARNING_HOURS)") \
	  $(if $(WITHDRAWAL_LEAST),--withdrawal-least "$(WITHDRAWAL_LEAST)") \
	  $(if $(WITHDRAWAL_MOST),--withdrawal-most "$(WITHDRAWAL_MOST)") \
	  $(if $(WITHDRAWAL_MOST_PER_DAY),--withdrawal-most-per-day "$(WITHDRAWAL_MOST_PER_DAY)") \
	  $(if $(WITHDRAWAL_DESTINATIONS),--withdrawal-destinations "$(WITHDRAWAL_DESTINATIONS)") \
	  $(if $(NEW_DESTINATION_HOURS),--new-destination-hours "$(NEW_DESTINATION_HOURS)") \
	  $(if $(PAYOUT_REDIRECTS),--payout-redirects "$(PAYOUT_REDIRECTS)") \
	  $(if $(APPROVAL_ABOVE),--approval-above "$(APPROVAL_ABOVE)") \
	  $(if $(APPROVAL_HOURS),--approval-hours "$(APPROVAL_HOURS)") \
	  $(if $(DISPUTE_ANSWER_HOURS),--dispute-answer-hours "$(DISPUTE_ANSWER_HOURS)") \
	  $(if $(DISPUTE_DECISION_HOURS),--dispute-decision-hours "$(DISPUTE_DECISION_HOURS)")

suspense: $(INSTALLED) ## List deposits in suspense; credit one to its wallet's user: CREDIT=<transfer> REASON=…
	@$(ASK) suspense $(OF) $(if $(CREDIT),--credit "$(CREDIT)") $(if $(REASON),--reason "$(REASON)")

reconcile: $(INSTALLED) ## Check the books, and compare ledger and chain [MARKETPLACE=…] [EVERY=60]
	@$(ASK) reconcile $(OF) $(if $(EVERY),--every "$(EVERY)")

give-back: $(INSTALLED) ## Return money that is still held for a canceled order: ORDER=<uuid> REASON=…
	@$(ASK) give-back $(OF) --order "$(ORDER)" --reason "$(REASON)"

requeue: $(INSTALLED) ## Retry a quarantined or waiting command of escrow: COMMAND=<uuid>
	@$(ASK) requeue $(OF) --command "$(COMMAND)"

adopt: $(INSTALLED) ## Name the transaction of a stopped command's step: COMMAND=<uuid> HASH=<hex> WHY=…
	@$(ASK) adopt $(OF) --command "$(COMMAND)" --hash "$(HASH)" --why "$(WHY)"

abandon: $(INSTALLED) ## End a stopped command that changed nothing on chain: COMMAND=<uuid> WHY=…
	@$(ASK) abandon $(OF) --command "$(COMMAND)" --why "$(WHY)"

redirect: $(INSTALLED) ## Pay a party at another address; two operators: ORDER=<uuid> PARTY=seller ADDRESS=G… WHY=…
	@$(ASK) redirect $(OF) --order "$(ORDER)" --party "$(PARTY)" --address "$(ADDRESS)" --why "$(WHY)"

confirm-chain: $(INSTALLED) ## Let escrow send again after transactions were missing in the books: WHY=…
	@$(ASK) confirm-chain $(OF) --why "$(WHY)"

correct: $(INSTALLED) ## Propose a correcting transfer: DEBIT= CREDIT= AMOUNT= REASON= EVIDENCE=<file>
	@$(ASK) correct $(OF) --debit "$(DEBIT)" --credit "$(CREDIT)" --amount "$(AMOUNT)" \
	  --reason "$(REASON)" --evidence "$(EVIDENCE)" $(if $(SETTLES),--settles "$(SETTLES)") \
	  $(if $(ORDER),--order "$(ORDER)") $(if $(TRANSACTION),--transaction "$(TRANSACTION)")

proposals: $(INSTALLED) ## List proposals that wait for another operator's decision [ALL=1]
	@$(ASK) proposals $(OF) $(if $(ALL),--all)

approve: $(INSTALLED) ## Approve another operator's proposal: PROPOSAL=<id> OPERATOR=<name>
	@$(ASK) approve $(OF) --proposal "$(PROPOSAL)"

reject: $(INSTALLED) ## Reject a proposal: PROPOSAL=<id> OPERATOR=<name>
	@$(ASK) reject $(OF) --proposal "$(PROPOSAL)"

.PHONY: stop resume limits

stop: $(INSTALLED) ## Stop a flow of money: FLOW=releases MARKETPLACE=demo|all REASON=…
	@$(ASK) stop $(OF) --flow "$(FLOW)" --reason "$(REASON)"

resume: $(INSTALLED) ## Resume a stopped flow: FLOW=releases MARKETPLACE=demo|all REASON=…
	@$(ASK) resume $(OF) --flow "$(FLOW)" --reason "$(REASON)"

limits: $(INSTALLED) ## List the flows of money; limit one per day: FLOW=refunds AMOUNT=5000|none REASON=…
	@$(ASK) limits $(OF) $(if $(FLOW),--flow "$(FLOW)") $(if $(AMOUNT),--amount "$(AMOUNT)") \
	  $(if $(REASON),--reason "$(REASON)")

.PHONY: keys revoke-key migrate stuck doctor

keys: $(INSTALLED) ## List the API keys of a marketplace: MARKETPLACE=my-shop[:test]
	@$(ASK) keys list --marketplace "$(MARKETPLACE)"

revoke-key: $(INSTALLED) ## Revoke an API key: MARKETPLACE=my-shop[:test] ID=<its twelve characters>
	@$(ASK) keys revoke --marketplace "$(MARKETPLACE)" --id "$(ID)"

migrate: $(INSTALLED) ## Bring every schema of a database to this release's revision (DATABASE_URL)
	@$(ASK) migrate

stuck: $(INSTALLED) ## List what makes no progress [MARKETPLACE=…]
	@$(ASK) stuck $(OF)

doctor: $(INSTALLED) ## Check every part of a deployment
	@$(ASK) doctor

rebuild-stream: $(INSTALLED) ## Publish every event of the running stack again from its outbox tables
	@$(ASK) rebuild-stream

##@ Before you share a change

# Five workers keep two cores busy. Each further worker costs a stack, a PostgreSQL, a NATS and a
# devnet, even while they idle.
WORKERS ?= 5

# build/tests.xml contains the duration of each test.
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist loadfile --durations=20

.PHONY: test-slow

test: $(INSTALLED) ## Run the tests, or some: make test WORKERS=0 ARGS="-k release"
	@$(PYTEST) --junitxml=build/tests.xml $(if $(ARGS),,-m "not slow") $(ARGS)

test-slow: $(INSTALLED) ## Run the slow tests: every crash point, a node that lies, fuzzed requests
	@$(PYTEST) --junitxml=build/slow-tests.xml -m slow

.PHONY: conform sdks

# VECTORS: any file of the format soroban-escrow-vectors/1.
VECTORS ?= tests/conformance/escrow_vectors.json

conform: $(INSTALLED) ## Replay answers of the real escrow contract: [VECTORS=file] [ESCROW_WASM=file] [LIVES=2000 SEED=1]
	@$(BIN)/python -m devnet.conform "$(VECTORS)" $(if $(ESCROW_WASM),--wasm "$(ESCROW_WASM)") \
	  $(if $(LIVES),--lives "$(LIVES)" --seed "$(SEED)")

SDKS := build/sdks

sdks: $(INSTALLED) ## Run the tutorials of the Stellar SDKs on a devnet; needs Node with npm
	@$(BIN)/uv venv -q --clear --python $(BIN)/python $(SDKS)/python
	@$(BIN)/uv pip install -q --python $(SDKS)/python/bin/python --require-hashes -r tests/sdks/requirements.lock
	@cp tests/sdks/package.json tests/sdks/package-lock.json $(SDKS)
	@npm ci --prefix $(SDKS) --no-audit --no-fund --loglevel=error >/dev/null
	@$(BIN)/python -m tests.sdks $(SDKS) $(SDKS)/python/bin/python

.PHONY: console chromium

CONSOLE := build/console
# Where the screenshots go.
IMAGES ?= docs/images

chromium:
	@[ -x "$(CHROMIUM)" ] || command -v chromium >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update && \
	  apt-get -qq install -y --no-install-recommends chromium >/dev/null; } || { \
	  echo "make: Chromium is needed, and cannot be installed here: put chromium into PATH, or name it with CHROMIUM=path" >&2; \
	  exit 1; }

console: $(INSTALLED) chromium ## Try the console in a real Chromium, and draw its pictures: [IMAGES=docs/images] [CHROMIUM=path]
	@$(BIN)/uv pip install -q --target $(CONSOLE) --python $(BIN)/python --no-deps --require-hashes \
	  -r tests/console/requirements.lock
	@PYTHONPATH=.:gen:$(CONSOLE) CHROMIUM="$(CHROMIUM)" IMAGES="$(IMAGES)" \
	  $(BIN)/pytest --durations=5 tests/console/console_proof.py

.PHONY: typescript

typescript: $(INSTALLED) ## Compile the TypeScript program of docs/client.md; needs Node with npm
	@mkdir -p build/typescript
	@cp tests/typescript/package.json tests/typescript/package-lock.json build/typescript
	@npm ci --prefix build/typescript --no-audit --no-fund --loglevel=error >/dev/null
	@$(BIN)/python -m tests.typescript build/typescript

prove: $(INSTALLED) ## Run the long proofs, and write their figures into docs/reports/
	@RACE_ROUNDS=200 FUZZ_EXAMPLES=300 REPORTS=docs/reports $(BIN)/pytest -o timeout=3600 \
	  tests/e2e/test_races.py tests/e2e/test_schemathesis.py tests/e2e/test_party_schemathesis.py
	@$(MAKE) prove-faults
	@$(MAKE) prove-rolling
	@$(MAKE) prove-webhooks

# Sizes of the proof; change one with `make prove-faults KILLS=50`. SEED determines the random plan.
SEED ?= 1
ORDERS ?= 2000
KILLS ?= 500
PAUSES ?= 30
NETWORK_FAULTS ?= 150
CHAIN_FAULTS ?= 1000
LIES ?= 5
RESTORES ?= 2
COPY_SECONDS ?= 60
CLIENTS ?= 32

prove-faults: $(INSTALLED) ## Run orders under every kind of fault: docs/reports/faults.md
	@PROVE_SEED=$(SEED) PROVE_ORDERS=$(ORDERS) PROVE_KILLS=$(KILLS) PROVE_PAUSES=$(PAUSES) \
	  PROVE_NETWORK_FAULTS=$(NETWORK_FAULTS) PROVE_CHAIN_FAULTS=$(CHAIN_FAULTS) \
	  PROVE_LIES=$(LIES) PROVE_RESTORES=$(RESTORES) PROVE_COPY_SECONDS=$(COPY_SECONDS) \
	  PROVE_CLIENTS=$(CLIENTS) REPORTS=docs/reports $(BIN)/pytest -s -o timeout=7200 tests/prove

.PHONY: prove-rolling prove-upgrade prove-image prove-webhooks

prove-webhooks: $(INSTALLED) ## Kill replicas of webhooks while events are delivered: docs/reports/webhooks.md
	@WEBHOOK_EVENTS=10000 WEBHOOK_KILLS=20 REPORTS=docs/reports $(BIN)/pytest -o timeout=1800 \
	  tests/prove/webhooks_proof.py

prove-image: $(INSTALLED) ## Start every program with the image's packages, without building an image
	@$(BIN)/pytest tests/prove/run_group_proof.py

prove-rolling: $(INSTALLED) ## Restart and kill every replica under load: docs/reports/rolling.md
	@ROLLING_SECONDS=180 ROLLING_PER_SECOND=100 REPORTS=docs/reports $(BIN)/pytest -o timeout=1800 \
	  tests/prove/rolling_proof.py

prove-upgrade: $(INSTALLED) ## Update from an earlier version under load: FROM=<checkout>, docs/reports/upgrade.md
	@test -n "$(FROM)" || { echo "usage: make prove-upgrade FROM=<checkout of an earlier version>"; exit 2; }
	@FROM="$(FROM)" ROLLING_SECONDS=180 ROLLING_PER_SECOND=100 REPORTS=docs/reports \
	  $(BIN)/pytest -o timeout=1800 tests/prove/upgrade_proof.py

bench: $(INSTALLED) ## Measure the speed beside its goals: [ONLY=rest,flows] [BESIDE=<checkout>] [REPORT=1]
	@$(BIN)/python -m bench $(if $(ONLY),--only "$(ONLY)") $(if $(BESIDE),--beside "$(BESIDE)") \
	  $(if $(CHECKOUT),--checkout "$(CHECKOUT)") $(if $(REPORT),--report docs/reports)

check: check-static architecture ## Check lint, types, layers, contracts and manifests

.PHONY: check-static

# What `make test` does not run too.
check-static: lint types imports k8s-check proto-check proto-breaking client-check

lint: $(INSTALLED)
	@$(BIN)/ruff check $(PRESENT)
	@$(BIN)/ruff format --check $(PRESENT)

types: $(INSTALLED)
	@$(BIN)/mypy --strict $(PRESENT)

imports: $(INSTALLED)
	@$(BIN)/lint-imports

architecture: $(INSTALLED)
	@$(BIN)/pytest -q tests/architecture

.PHONY: k8s-check alerts-check image

k8s-check: $(INSTALLED) ## Render every overlay of deploy/k8s, validate it, check the rules
	@$(BIN)/python -m tools.k8s

alerts-check: $(INSTALLED) ## Test the alerts with promtool of Prometheus
	@$(BIN)/python -m tools.alerts

# IMAGE: the image's name. PYTHON_IMAGE: the base image, by digest for reproducible builds.
IMAGE ?= orchestrator:dev
BUILDER ?= $(shell command -v docker || command -v podman || command -v buildah)

image: sbom ## Build the image of all programs [IMAGE=orchestrator:dev] [PYTHON_IMAGE=python@sha256:…]
	@[ -n "$(BUILDER)" ] || { echo "make: docker, podman or buildah is needed" >&2; exit 1; }
	@$(BUILDER) build --file deploy/image/Dockerfile --tag "$(IMAGE)" \
	  $(if $(PYTHON_IMAGE),--build-arg PYTHON="$(PYTHON_IMAGE)") .

.PHONY: sbom

sbom: $(INSTALLED) ## Write the image's list of packages, as CycloneDX: build/sbom.json
	@mkdir -p build
	@$(BIN)/cyclonedx-py requirements requirements-run.lock --pyproject pyproject.toml \
	  --output-reproducible --output-format JSON --output-file build/sbom.json
	@echo build/sbom.json

.PHONY: lint-openapi

# tests/unit/gateway/test_openapi_rules.py checks the important rules without node.
lint-openapi: $(INSTALLED) ## Lint both OpenAPI documents with redocly and spectral (needs node)
	@$(BIN)/python -m tools.openapi build/openapi
	@for name in marketplace party; do \
	  npx --yes @redocly/cli@2 lint build/openapi/$$name.json \
	    --skip-rule no-path-trailing-slash; \
	  npx --yes @stoplight/spectral-cli@6 lint build/openapi/$$name.json \
	    --ruleset tools/spectral.yaml --fail-severity warn; \
	done

.PHONY: house

house: $(INSTALLED) ## Measure how simple the code is to change [QUICK=1: without starting a stack]
	@$(BIN)/python -m tools.house $(if $(QUICK),--quick)

fmt: $(INSTALLED) ## Format the code, and fix what the linter can fix
	@$(BIN)/ruff check --fix --exit-zero --quiet $(PRESENT)
	@$(BIN)/ruff format $(PRESENT)

##@ Contracts

proto: $(INSTALLED) ## Generate gen/ from protos/
	@$(BIN)/python tools/protos.py generate

proto-check: $(INSTALLED) ## Fail if gen/ is out of date, or lint or format of protos/ fail
	@$(BIN)/python tools/protos.py check

proto-breaking: $(INSTALLED) ## Fail if protos/ break compatibility with the last release
	@$(BIN)/python tools/protos.py breaking

proto-release: $(INSTALLED) ## Record today's contracts as the release to compare with
	@$(BIN)/python tools/protos.py release

.PHONY: client client-check

client: $(INSTALLED) ## Generate client/generated from the OpenAPI documents
	@$(BIN)/python -m tools.client

client-check: $(INSTALLED) ## Fail if client/generated is out of date
	@$(BIN)/python -m tools.client --check

##@ Documents

docs: $(INSTALLED) ## Generate docs/states.md with its pictures, docs/errors.md and docs/asyncapi.json from the code
	@$(BIN)/python -m tools.draw

##@ Housekeeping

lock: $(INSTALLED) ## Pin the newest versions that requirements*.in allow, with hashes
	@compile="$(BIN)/uv pip compile --upgrade --universal --no-header --generate-hashes --no-emit-index-url --quiet \
	  --python-version 3.11"; \
	$$compile requirements-bootstrap.in -o requirements-bootstrap.lock; \
	$$compile requirements-dev.in -o requirements-dev.lock; \
	$$compile -c requirements-dev.lock requirements.in -o requirements.lock; \
	$$compile -c requirements-dev.lock requirements-run.in -o requirements-run.lock

# Without .venv no program can find the data of a stack, so it is not deleted.
clean: ## Delete .venv, caches, and a stopped stack's data (FORCE=1: with wallet keys)
	@if [ -x $(BIN)/python ]; then FORCE="$(FORCE)" $(BIN)/python -m deploy.local.clean; fi
	@rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements-bootstrap.lock requirements-dev.lock
	@[ -n "$(PYTHON)" ] && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: Python 3.11 or newer is needed; name it with PYTHON=/path/to/python" >&2; \
	    exit 1; }
	@"$(PYTHON)" tools/install.py
	@touch $@
