# The one door: CI runs the same recipes.

set shell := ["bash", "-o", "pipefail", "-c"]

# List the recipes.
default:
    @just --list --unsorted

# Run all unit, property, contract and simulation tests (needs Rust alone).
test:
    cargo test --workspace

# Format, clippy pedantic, licences and bans.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny --log-level error check bans licenses sources

# Five simulated agents boot themselves into a cluster before your eyes (no root).
demo *ARGS:
    cargo run --release --bin hactl-demo -- {{ARGS}}

# The demo to its end, without a terminal and at five times the pace.
demo-check:
    cargo run --release --bin hactl-demo -- --pace 0.08 </dev/null | cat
    @echo "demo: 1 passed, 0 failed"

# Build the deb and rpm packages into out/packages.
package:
    cargo run --quiet -p hactl-packages -- build

# The same sources as packages of the next version into out/next: what the lab upgrades agents to.
package-next:
    cargo run --quiet -p hactl-packages -- next

# Hold deb and rpm against each other.
packages-check:
    cargo run --quiet -p hactl-packages -- check

# What the agent runs on nodes with dnf, against the real dnf and rpm in a scratch root (root).
dnf-check:
    cargo run --quiet -p hactl-packages -- dnf

# Try the alerts on made-up series (promtool, of Debian's package prometheus).
alerts-check:
    promtool test rules packaging/prometheus/hactl.rules.test.yml
    @echo "alerts: 1 passed, 0 failed"

# Real nodes on this machine (root): up, down, shell, power-off, cut-off, partition, logs; `just lab --help`.
lab *ARGS:
    cargo run --quiet -p hactl-lab -- {{ARGS}}

# First boots of real nodes with real kubeadm, and what may go wrong in them (root).
lab-check:
    cargo run --quiet -p hactl-lab -- check

# Rolling upgrades of real nodes, and what may go wrong in them (root).
lab-check-upgrade *ARGS: package-next
    cargo run --quiet -p hactl-lab -- check-upgrade {{ARGS}}

# Certificates of real nodes, renewed under a client (root).
lab-check-certificates *ARGS:
    cargo run --quiet -p hactl-lab -- check-certificates {{ARGS}}

# A first boot with hactl beside the same by hand, what an agent costs, how long a lost node is missed (root).
bench:
    cargo run --quiet -p hactl-lab -- bench
    cargo bench --quiet -p hactl-cluster-plan --features samples --bench planning

# An upgrade of four nodes by hactl beside the same by hand, a client asking all the while (root).
bench-upgrade *ARGS:
    cargo run --quiet -p hactl-lab -- bench-upgrade {{ARGS}}

# What the agents of the lab that is up cost, and every false alarm, for MINUTES (root; `just lab up --nodes cp1,cp2,cp3,w1,w2` before).
watch MINUTES="60":
    cargo run --quiet -p hactl-lab -- watch --minutes {{MINUTES}}

# The seeded simulator: runs with faults, every rule after every event; no new seed after five minutes.
sim *ARGS="--seeds 2000 --seconds 300":
    cargo run --quiet --profile measure -p hactl-simulator -- seeds {{ARGS}}

# The simulator until it finds something, or ^C; a line a minute.
soak *ARGS:
    cargo run --quiet --profile measure -p hactl-simulator -- soak {{ARGS}}

# Run the seed of an event log again and step through it (`--only cp1` shows the lines with that word).
replay FILE *ARGS:
    cargo run --quiet --profile measure -p hactl-simulator -- replay {{FILE}} {{ARGS}}

# Deliberate faults in the code, each of which the simulator has to catch: one build with all of them, then seeds with one after the other on.
mutants *ARGS:
    cargo run --quiet --profile measure -p hactl-simulator --bin hactl-mutants -- {{ARGS}}

# Every condition of the plan crates turned round, and every function of theirs without a word, one at a time: what their own tests do not notice.
conditions *ARGS:
    cargo run --quiet -p hactl-simulator --bin hactl-conditions -- {{ARGS}}

# Failure detection at the size of large clusters, in virtual time, beside foca as it comes (`--full`: up to 5,000 members, hours).
bench-gossip *ARGS:
    cargo run --quiet --profile measure -p hactl-gossip -- {{ARGS}}

# The same at a size that takes some minutes: hactl alone, the goals judged.
bench-gossip-check:
    just bench-gossip --only-hactl --sizes 5,10,100,300 --idle 30

# Feed random bytes to every parser of outside input, for SECONDS each.
fuzz SECONDS="60":
    tests/fuzz/run {{SECONDS}}

# Write the generated code of the protocol anew from proto/hactl/v1.
proto:
    HACTL_REGENERATE=1 cargo test --quiet -p hactl-proto --test generated
    HACTL_REGENERATE=1 cargo test --quiet -p hactl-agent --test etcd_generated

# All that CI does.
ci:
    .ci/run
