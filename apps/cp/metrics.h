// The figures of the control plane, as Prometheus reads them.
#pragma once

#include <string>

#include "model/kind.h"
#include "pipeline/pipeline.h"
#include "store/store.h"

namespace mesh {

std::string metrics_text(const Pipeline& pipeline, const Store& store, const KindRegistry& kinds);

}  // namespace mesh
