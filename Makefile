# Everything a developer does; `make` lists it. Needs Python 3.11 or newer with pip, nothing else.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up test test-nightly test-faults test-upgrade test-hostile lint audit format protos docs lock clean reset \
	bench bench-flood bench-growth bench-logins bench-strength bench-staleness bench-streams bench-health bench-start \
	bench-audit bench-idle bench-memory bench-knowledge bench-voice \
	images release cluster deploy test-cluster

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
BIN := .venv/bin
# The tests of hostile input.
HOSTILE := tests/system/test_openapi.py tests/system/test_grpc_fuzz.py tests/chassis/test_decoders.py \
	tests/chassis/identity/test_verifier.py tests/gateway/test_messages.py tests/auth_service/adapters/test_secrets.py
# The release that test-upgrade comes from: a commit or tag, or the last one of docs/releases.md.
FROM ?= last
# More arguments for pytest: make test ARGS="tests/gateway -k cache"
ARGS ?=
# Tests that share a running stack, and those of one file, stay in one process (tests/groups.py).
PARALLEL := --dist loadfile --no-loadscope-reorder

# A folder whose `__main__.py` declares a service.
SERVICES := $(shell grep --files-with-matches '^service = Service' */src/*/__main__.py | cut -d / -f 1)
# Images are called IMAGE_PREFIX + service:IMAGE_TAG; BUILD_ARGS goes to the builder.
IMAGE_PREFIX ?= vestibule/
IMAGE_TAG ?= dev
BUILD_ARGS ?=

export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
# Hundreds of processes are started here; without bytecode each of them would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

DECLARED := uv.lock pyproject.toml $(wildcard */pyproject.toml) protos/build_stubs.py \
	$(shell find protos/vestibule protos/third_party -name '*.proto')

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-23s%s\n", $$1, $$2}'

up: .venv/.runs $(if $(filter 1,$(VOICE)),.venv/.speaks) ## Start the whole system here; Ctrl-C stops it; OBSERVE=1 with Prometheus
	@exec $(BIN)/python -m devstack up --with-parent

test: .venv/.develops ## Run the tests, all but the long ones, on real Postgres, Valkey and gRPC; ARGS="…" goes to pytest
	@# Four processes for two cores, two of them with a stack: tests wait a third of their time.
	@$(BIN)/pytest -n 4 $(PARALLEL) -m "not nightly" $(ARGS)

test-nightly: .venv/.develops ## Run the tests that take long
	@$(BIN)/pytest -n 3 $(PARALLEL) -m nightly $(ARGS)

test-faults: .venv/.develops ## Inject every fault, check every invariant, and write docs/reliability.md
	@FAULTS=all FAULTS_REPORT=docs/reliability.md $(BIN)/pytest tests/faults $(ARGS)

test-upgrade: .venv/.develops ## Upgrade from the last release (FROM=<commit>: from that) and roll back, under load
	@UPGRADE_FROM=$(FROM) $(BIN)/pytest tests/upgrades -s $(ARGS)

test-hostile: .venv/.develops ## Send 50,000 random cases over HTTP, as many over gRPC, and more to every decoder
	@OPENAPI_CASES=50000 FUZZ_CASES=50000 $(BIN)/pytest --hypothesis-profile=hostile --override-ini=timeout=0 $(HOSTILE) $(ARGS)

lint: .venv/.develops ## Check format, style, types, protos and who may import whom
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --num-workers 2
	$(BIN)/buf lint
	$(BIN)/lint-imports

audit: .venv/.develops ## Check the lock and its hashes, and ask osv.dev for known vulnerabilities
	@$(UV) lock --check
	@$(BIN)/pytest tests/tidy/test_lock.py
	@$(UV) audit --frozen --preview-features audit-command || { status=$$?; [ $$status -ne 2 ] || \
		echo "audit: no answer from api.osv.dev: whether these packages have known vulnerabilities is NOT known" >&2; \
		exit $$status; }

format: .venv/.develops ## Format the code and fix what can be fixed automatically
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

protos: .venv/.develops ## Regenerate stubs and descriptors
	$(UV) sync --frozen --reinstall-package vestibule-protos

docs: .venv/.develops ## Regenerate pages under docs/ and in the chart: catalog, OpenAPI, metrics, dashboards, lists of services
	@$(BIN)/python -m helm.write_boards
	@$(BIN)/python helm/write_readme.py
	@$(BIN)/python -m tests.tidy.metrics_page
	@$(BIN)/python -m tests.tidy.openapi_file
	@$(BIN)/python -m tests.tidy.catalog_page
	@$(BIN)/python -m tests.tidy.service_lists

lock: $(UV) ## Bring uv.lock up to date with every pyproject.toml
	$(UV) lock

bench: .venv/.benches ## Measure reads, sign-ins, floods, starts, streams and sweeps against their limits, in ten minutes; ARGS="--help"
	@$(BIN)/python -m bench $(ARGS)

bench-flood: .venv/.develops ## Measure read latency during a flood of logins
	@$(BIN)/python -m bench.flood $(ARGS)

bench-memory: .venv/.develops ## Measure what each service holds under load: ARGS="--minutes 60 --pause 1"
	@$(BIN)/python -m bench.memory $(ARGS)

bench-growth: .venv/.develops ## Measure an installation of a million users against one of a thousand
	@$(BIN)/python -m bench.growth $(ARGS)

bench-audit: .venv/.develops ## Measure verifying 10,000,000 audit entries and appending to one chain; ARGS="--entries 1000000"
	@$(BIN)/python -m bench.audit $(ARGS)

bench-logins: .venv/.develops ## Measure sign-ins against bare Argon2id
	@$(BIN)/python -m bench.logins $(ARGS)

bench-strength: .venv/.develops ## Measure rating passwords, and sign-ins while other clients register with the slowest ones
	@$(BIN)/python -m bench.strength $(ARGS)

bench-staleness: .venv/.develops ## Measure how stale another gateway's near cache can be
	@$(BIN)/python -m bench.staleness $(ARGS)

bench-health: .venv/.develops ## Measure the health aggregator: sweeps, detection, false flips
	@$(BIN)/python bench/health.py $(ARGS)

bench-streams: .venv/.benches ## Measure what a message of a stream costs, against a bare relay
	@$(BIN)/python -m bench.streams $(ARGS)

bench-start: .venv/.develops ## Measure each service's start-up: CPU seconds and time to ready
	@$(BIN)/python -m bench.start $(ARGS)

bench-idle: .venv/.develops ## Measure what each service costs while it does nothing
	@$(BIN)/python -m bench.idle $(ARGS)

bench-knowledge: .venv/.benches ## Measure how well and how fast passages are found; ARGS="--data FOLDER"
	@$(BIN)/python -m bench.knowledge $(ARGS)

bench-voice: .venv/.develops ## Measure how well, how fast and at what cost speech is understood
	@$(BIN)/python -m bench.voice $(ARGS)

images: ## Build the services' images with docker, podman or buildah, whichever is there
	@builder=; for each in docker podman buildah; do \
		command -v $$each >/dev/null && $$each info >/dev/null 2>&1 && { builder=$$(command -v $$each); break; }; done; \
	[ -n "$$builder" ] || \
		{ echo "make images needs docker with its daemon running, podman or buildah"; exit 1; }; \
	case $$builder in */buildah) build=bud ;; *) build=build ;; esac; \
	for service in $(SERVICES); do \
		echo "building $(IMAGE_PREFIX)$$service:$(IMAGE_TAG) with $$builder"; \
		$$builder $$build --build-arg SERVICE=$$service --tag $(IMAGE_PREFIX)$$service:$(IMAGE_TAG) \
			--build-arg VERSION=$(IMAGE_TAG) --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
			$(BUILD_ARGS) . || exit 1; \
	done

release: .venv/.develops ## Write the release of this commit into dist/ (chart, SBOMs, notes, checksums) and build its images
	@$(BIN)/python -m release
	@version=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml); \
	for each in docker podman buildah; do $$each info >/dev/null 2>&1 && exec $(MAKE) --no-print-directory images IMAGE_TAG=$$version; done; \
	echo "no images: neither docker with its daemon nor podman nor buildah is here; run make images IMAGE_TAG=$$version where one is"

cluster: ## Create a kind cluster on this machine, with the backing services
	@command -v kind >/dev/null && command -v kubectl >/dev/null || { echo "make cluster needs kind and kubectl"; exit 1; }
	kind get clusters | grep -qx vestibule || kind create cluster --config k8s/kind.yaml
	@# DNS as it is cached at worst, so that rollouts are tried under it.
	kubectl --namespace kube-system get configmap coredns --output yaml | sed 's/ttl [0-9]*/ttl 30/' | kubectl replace --filename -
	kubectl --namespace kube-system rollout restart deployment/coredns
	kubectl apply --filename k8s/namespace.yaml --filename k8s/development.yaml
	kubectl apply --kustomize k8s/backends
	kubectl --namespace backends wait --for=condition=Available --timeout=300s deployment/postgres deployment/valkey

deploy: images ## Build the images, load them into the kind cluster and install the release
	@command -v helm >/dev/null || { echo "make deploy needs helm"; exit 1; }
	kind load docker-image --name vestibule $(foreach service,$(SERVICES),$(IMAGE_PREFIX)$(service):$(IMAGE_TAG))
	helm upgrade --install vestibule helm/vestibule --namespace vestibule --wait --timeout 5m \
		--values helm/vestibule/ci/development-values.yaml --set defaults.writableRoot=false \
		--set image.tag=$(IMAGE_TAG) $(foreach service,$(SERVICES),--set services.$(service).repository=$(IMAGE_PREFIX)$(service))
	helm test vestibule --namespace vestibule

test-cluster: .venv/.develops ## Test the release on the cluster of the current KUBECONFIG
	@CLUSTER_TESTS=1 $(BIN)/pytest tests/cluster -rs --timeout=900 $(ARGS)

clean: ## Remove what was installed or generated; data stays
	rm -rf .venv .tools protos/gen .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

reset: ## Remove the data of `make up`
	rm -rf "$${DATA_DIR:-.data}"

$(UV):
	@echo "installing uv $(UV_VERSION) into .tools"
	@PIP_ROOT_USER_ACTION=ignore $(PYTHON) -m pip install --quiet --disable-pip-version-check --upgrade \
		--target .tools "uv==$(UV_VERSION)"

# What runs is less than what tests. It is compiled at once, so that even the first start is quick.
.venv/.runs: $(UV) $(DECLARED)
	@echo "installing what the services need into .venv"
	@$(UV) sync --frozen --no-dev --inexact --compile-bytecode
	@touch $@

.venv/.speaks: .venv/.runs
	@echo "installing the models for speech into .venv"
	@$(UV) sync --frozen --no-dev --group speech --inexact --compile-bytecode
	@touch $@

.venv/.develops: .venv/.runs
	@echo "installing what the tests need besides"
	@$(UV) sync --frozen
	@touch $@

.venv/.benches: .venv/.develops
	@echo "installing what is measured against"
	@$(UV) sync --frozen --group bench
	@touch $@
