// A mesh of N dataplanes as the load generator makes it, without a control plane: what the benchmarks work on.
#pragma once

#include <memory>
#include <string>

#include "config/proxy_config.h"
#include "model/kind.h"
#include "snapshot/fold.h"
#include "snapshot/snapshot.h"

namespace mesh::micro {

struct Town {
  std::shared_ptr<const Snapshot> snapshot;
  const MeshSnapshot& mesh() const { return *snapshot->find("load"); }
};

// N / 10 services, 5 outbounds each, 10 policies, mutual TLS; all live.
Town make_town(int dataplanes);
const KindRegistry& kinds();
ConfigBuilder make_builder();
ProxyTraits traits();
std::string dataplane_name(int number);

FoldInput liveness_of(const std::string& dataplane, bool live);
// Dataplane `number` of a mesh of that many: it comes, or goes.
FoldInput dataplane_of(int number, int dataplanes, bool comes);
FoldInput changed_timeout(int milliseconds);

}  // namespace mesh::micro
